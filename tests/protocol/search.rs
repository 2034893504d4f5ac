//! The search: every state that can be reached, breadth first; and backwards, from which of them the system comes to rest.

use std::collections::{BTreeMap, HashMap, VecDeque, hash_map::Entry};

use crate::{
    model::{Kind, Model, Transition},
    properties::{Promise, Rest},
    state::State,
};

/// What a search has seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) states: usize,
    pub(crate) transitions: usize,
    /// How often which fault was injected.
    pub(crate) faults: BTreeMap<&'static str, usize>,
    /// In how many states the system is at rest, and how.
    pub(crate) rests: BTreeMap<Rest, usize>,
    /// In how many states a brand is deleted while the CMS is being told its name.
    pub(crate) deleted_under_way: usize,
}

/// A promise that is broken, and the shortest way there.
#[derive(Debug)]
pub(crate) struct Counterexample {
    pub(crate) broken: Promise,
    /// The states on the way, in their canonical form.
    pub(crate) states: Vec<State>,
}

#[derive(Default)]
struct Search {
    /// The states' numbers, in the order in which they are found: no state is farther away than those after it.
    numbers: HashMap<State, u32>,
    /// From which state each was found first.
    parents: Vec<u32>,
    found: VecDeque<State>,
    /// What leads where by the system's own work: pairs of numbers, the later state first.
    steps: Vec<(u32, u32)>,
    at_rest: Vec<u32>,
    tally: Tally,
}

/// Looks at all of the model for states that break one of those promises.
pub(crate) fn search(model: &Model, promises: &[Promise]) -> Result<Tally, Counterexample> {
    let mut search = Search::default();
    search.number(State::default(), 0);
    let mut transitions: Vec<Transition> = Vec::new();
    let mut from = 0;
    while let Some(state) = search.found.pop_front() {
        model.transitions(&state, &mut transitions);
        search.follow(from, &transitions);
        let is_at_rest = !transitions.iter().any(|next| next.kind == Kind::System);
        search.count(from, &state, is_at_rest);
        let broken = promises
            .iter()
            .find(|promise| !promise.is_kept(&state, is_at_rest));
        if let Some(broken) = broken {
            return Err(search.counterexample(from, *broken));
        }
        from += 1;
    }
    match search.restless() {
        Some(restless) if promises.contains(&Promise::ComesToRest) => {
            Err(search.counterexample(restless, Promise::ComesToRest))
        }
        _ => Ok(search.tally),
    }
}

impl Search {
    fn number(&mut self, state: State, parent: u32) -> u32 {
        let new = u32::try_from(self.parents.len()).expect("there are fewer states than that");
        match self.numbers.entry(state) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => {
                unknown.insert(new);
                self.found.push_back(state);
                self.parents.push(parent);
                new
            }
        }
    }

    fn follow(&mut self, from: u32, transitions: &[Transition]) {
        for next in transitions {
            let to = self.number(next.to.canonical(), from);
            match next.kind {
                Kind::System => self.steps.push((to, from)),
                Kind::Fault => *self.tally.faults.entry(next.what).or_default() += 1,
                Kind::Outside => {}
            }
        }
        self.tally.transitions += transitions.len();
    }

    fn count(&mut self, number: u32, state: &State, is_at_rest: bool) {
        self.tally.states += 1;
        self.tally.deleted_under_way += usize::from(state.is_deleted_under_way());
        if is_at_rest {
            self.at_rest.push(number);
            if let Some(rest) = Rest::of(state) {
                *self.tally.rests.entry(rest).or_default() += 1;
            }
        }
    }

    /// The first state from which the system cannot come to rest by its own work.
    ///
    /// That there is a way is enough, since the system is fair: what it can do again and again, it does at some time.
    /// Every way would be too much to ask: it might deliver and postpone for ever.
    fn restless(&mut self) -> Option<u32> {
        self.steps.sort_unstable();
        let mut comes_to_rest = vec![false; self.parents.len()];
        let mut reached = std::mem::take(&mut self.at_rest);
        while let Some(state) = reached.pop() {
            if std::mem::replace(&mut comes_to_rest[state as usize], true) {
                continue;
            }
            let first = self.steps.partition_point(|(to, _)| *to < state);
            let leading_here = self.steps[first..]
                .iter()
                .take_while(|(to, _)| *to == state);
            reached.extend(leading_here.map(|(_, from)| *from));
        }
        (0..)
            .zip(comes_to_rest)
            .find(|(_, comes)| !comes)
            .map(|(state, _)| state)
    }

    fn counterexample(&self, last: u32, broken: Promise) -> Counterexample {
        let states: HashMap<u32, State> = self
            .numbers
            .iter()
            .map(|(state, number)| (*number, *state))
            .collect();
        let mut way = vec![last];
        let mut number = last;
        while number != 0 {
            number = self.parents[number as usize];
            way.push(number);
        }
        Counterexample {
            broken,
            states: way.iter().rev().map(|number| states[number]).collect(),
        }
    }
}
