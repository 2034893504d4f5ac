//! The search: every state that can be reached, breadth first; and backwards, from which of them the system arrives.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    fmt::{Debug, Display},
    hash::{BuildHasherDefault, Hash, Hasher},
};

/// What is searched.
pub(crate) trait World {
    type State: Copy + Default + Eq + Hash + Display;
    type Promise: Copy + PartialEq + Debug + Display;
    type Actor: Copy + Display;
    /// A way in which the system may be at rest.
    type Rest: Copy + Ord + Debug;

    /// Everything that may happen in that state.
    fn transitions(&self, from: &Self::State, found: &mut Vec<Transition<Self>>);

    /// The state that stands for all which differ in nothing that matters.
    fn canonical(state: &Self::State) -> Self::State;

    /// Whether the state keeps the promise. A state is at rest where the system can do nothing by itself.
    fn is_kept(&self, promise: Self::Promise, state: &Self::State, is_at_rest: bool) -> bool;

    /// For a promise that there is a way: by what, from where and to where.
    fn way(&self, promise: Self::Promise) -> Option<Way<Self>>;

    /// How that state, which is at rest, is so.
    fn rest(&self, state: &Self::State) -> Self::Rest;
}

/// That from some states there is a way to some others.
pub(crate) struct Way<W: World + ?Sized> {
    /// Whether the operator and the client may help.
    pub(crate) with_help: bool,
    pub(crate) starts: fn(&W::State) -> bool,
    pub(crate) arrives: fn(&W::State, bool) -> bool,
}

/// Something that may happen.
pub(crate) struct Transition<W: World + ?Sized> {
    pub(crate) kind: Kind,
    pub(crate) actor: W::Actor,
    pub(crate) what: &'static str,
    pub(crate) to: W::State,
}

/// Whether one may count on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It happens sooner or later, if it can: the system at work.
    System,
    /// It may happen or not, and nothing good may depend on it.
    Fault,
    /// The outside world does it or not: a client or an operator.
    Outside,
    /// An operator or a client does it where a row is marked.
    Help,
}

/// What a search has seen.
#[derive(Debug)]
pub(crate) struct Tally<W: World> {
    pub(crate) states: usize,
    pub(crate) transitions: usize,
    /// How often which fault was injected.
    pub(crate) faults: BTreeMap<&'static str, usize>,
    /// In how many states the system is at rest, and how.
    pub(crate) rests: BTreeMap<W::Rest, usize>,
}

/// A promise that is broken, and the shortest way there.
pub(crate) struct Counterexample<W: World> {
    pub(crate) broken: W::Promise,
    /// The states on the way, in their canonical form.
    pub(crate) states: Vec<W::State>,
}

/// Multiplies and rotates: the standard hasher takes most of a search's time.
#[derive(Default)]
pub(crate) struct StateHasher(u64);

impl Hasher for StateHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u8(*byte);
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value.cast_unsigned() as u64);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}

struct Search<W: World> {
    /// The states' numbers, in the order in which they are found: no state is farther away than those after it.
    numbers: HashMap<W::State, u32, BuildHasherDefault<StateHasher>>,
    states: Vec<W::State>,
    /// From which state each was found first.
    parents: Vec<u32>,
    is_at_rest: Vec<bool>,
    /// What leads where: pairs of numbers, the earlier state first.
    steps: Vec<(u32, u32)>,
    help: Vec<(u32, u32)>,
    tally: Tally<W>,
}

/// Looks at all of the world for states that break one of those promises.
pub(crate) fn search<W: World>(
    world: &W,
    promises: &[W::Promise],
) -> Result<Tally<W>, Counterexample<W>> {
    let mut search = Search {
        numbers: HashMap::default(),
        states: Vec::new(),
        parents: Vec::new(),
        is_at_rest: Vec::new(),
        steps: Vec::new(),
        help: Vec::new(),
        tally: Tally {
            states: 0,
            transitions: 0,
            faults: BTreeMap::new(),
            rests: BTreeMap::new(),
        },
    };
    search.number(W::State::default(), 0);
    let mut transitions: Vec<Transition<W>> = Vec::new();
    let mut from = 0;
    while let Some(state) = search.states.get(from as usize).copied() {
        transitions.clear();
        world.transitions(&state, &mut transitions);
        search.follow(from, &transitions);
        let is_at_rest = !transitions.iter().any(|next| next.kind == Kind::System);
        search.is_at_rest.push(is_at_rest);
        if is_at_rest {
            *search.tally.rests.entry(world.rest(&state)).or_default() += 1;
        }
        let mut broken = promises.iter();
        if let Some(broken) = broken.find(|promise| !world.is_kept(**promise, &state, is_at_rest)) {
            return Err(search.counterexample(from, *broken));
        }
        from += 1;
    }
    search.tally.states = search.states.len();
    for promise in promises {
        let stranded = world.way(*promise).and_then(|way| search.stranded(&way));
        if let Some(stranded) = stranded {
            return Err(search.counterexample(stranded, *promise));
        }
    }
    Ok(search.tally)
}

impl<W: World> Search<W> {
    fn number(&mut self, state: W::State, parent: u32) -> u32 {
        let new = u32::try_from(self.states.len()).expect("there are fewer states than that");
        match self.numbers.entry(state) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => {
                unknown.insert(new);
                self.states.push(state);
                self.parents.push(parent);
                new
            }
        }
    }

    fn follow(&mut self, from: u32, transitions: &[Transition<W>]) {
        for next in transitions {
            let to = self.number(W::canonical(&next.to), from);
            match next.kind {
                Kind::System => self.steps.push((from, to)),
                Kind::Help => self.help.push((from, to)),
                Kind::Fault => *self.tally.faults.entry(next.what).or_default() += 1,
                Kind::Outside => {}
            }
        }
        self.tally.transitions += transitions.len();
    }

    /// The first state from which the system cannot arrive.
    ///
    /// That there is a way is enough, since the system is fair: what it can do again and again, it does at some time.
    /// Every way would be too much to ask: it might suspend and resume for ever.
    fn stranded(&self, way: &Way<W>) -> Option<u32> {
        let help = self.help.iter().filter(|_| way.with_help);
        let edges = || self.steps.iter().chain(help.clone());
        // Where the edges that lead to each state begin in `sources`.
        let mut begins = vec![0_u32; self.states.len() + 1];
        for (_, to) in edges() {
            begins[*to as usize + 1] += 1;
        }
        for index in 1..begins.len() {
            begins[index] += begins[index - 1];
        }
        let mut sources = vec![0_u32; begins[self.states.len()] as usize];
        let mut ends = begins.clone();
        for (from, to) in edges() {
            let end = &mut ends[*to as usize];
            sources[*end as usize] = *from;
            *end += 1;
        }
        let mut arrives = vec![false; self.states.len()];
        let numbers = 0..u32::try_from(self.states.len()).expect("each has a number");
        let is_first = |number: &u32| {
            let index = *number as usize;
            (way.arrives)(&self.states[index], self.is_at_rest[index])
        };
        let mut reached: Vec<u32> = numbers.clone().filter(is_first).collect();
        while let Some(state) = reached.pop() {
            let index = state as usize;
            if !std::mem::replace(&mut arrives[index], true) {
                reached.extend(&sources[begins[index] as usize..begins[index + 1] as usize]);
            }
        }
        let mut numbers = numbers;
        numbers.find(|number| {
            let index = *number as usize;
            !arrives[index] && (way.starts)(&self.states[index])
        })
    }

    fn counterexample(&self, last: u32, broken: W::Promise) -> Counterexample<W> {
        let mut way = vec![last];
        let mut number = last;
        while number != 0 {
            number = self.parents[number as usize];
            way.push(number);
        }
        let states = way.iter().rev();
        Counterexample {
            broken,
            states: states.map(|number| self.states[*number as usize]).collect(),
        }
    }
}
