//! A second, small model: the circuit. Two brands are due, one of which the CMS never takes; two failures of different brands in a
//! row open the circuit here. Two processes visit rows. How a row is synced is the other model's.

use std::fmt::{self, Display, Formatter};

use crate::{
    search::{Kind, Transition, Way, World, search},
    trace::story,
};

/// How many brands there are. The CMS answers 500 to the first one, always.
const BRANDS: usize = 2;
const FAILURES: u32 = 2;

/// The model, with what is wrong in it.
#[derive(Clone, Copy, Debug, Default)]
struct Circuit {
    mutation: Option<Mutation>,
}

/// In what the circuit departs from its design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutation {
    /// The right to probe ends with a verdict only, not with time.
    ProbeWithoutEnd,
    /// A probe is always a row that is due, never a read of the CMS.
    OnlyRowsProbe,
    /// Any success closes the circuit.
    AnySuccessCloses,
    /// The token of an earlier probe closes it, too.
    OldTokenCloses,
    /// A circuit that the operator has opened is probed like any other.
    OperatorsIsProbed,
    /// Failures of one brand count as often as they happen.
    SameBrandCounts,
    /// A process does not look at the circuit after its failure.
    ProcessDoesNotLook,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Promise {
    /// There is always a way to: closed, and all that the CMS takes has arrived; unless an operator has opened the circuit.
    Arrives,
    OperatorsStays,
    /// It is not closed while the CMS has been away ever since it opened.
    StaysOpen,
    /// While it is open, a process calls the CMS in vain at most once without a token. One whose calls succeed does not learn that
    /// an operator has opened the circuit.
    IsQuiet,
    OneBrandOpensNothing,
}

const ALL: [Promise; 5] = [
    Promise::Arrives,
    Promise::OperatorsStays,
    Promise::StaysOpen,
    Promise::IsQuiet,
    Promise::OneBrandOpensNothing,
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    is_away: bool,
    outages: u8,
    arrived: [bool; BRANDS],
    /// Which brands have failed in a row; with a mutation, how often.
    failing: [u8; BRANDS],
    open: Option<Open>,
    processes: [Process; 2],
    accident: Option<Promise>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Open {
    by_operator: bool,
    /// Whether a probe has a token that is in force, and whether its time is over.
    probe: Option<bool>,
    /// Whether the CMS has been there since.
    was_there: bool,
}

/// What a probe calls the CMS for: a brand, or a read.
type Subject = Option<usize>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Token {
    None,
    InForce,
    /// Another probe has begun since, or the circuit has been closed.
    Old,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Process {
    /// Whether the circuit was open when it looked.
    takes_for_open: bool,
    /// Whether it has called in vain without a token since the circuit opened.
    has_called: bool,
    visit: Option<(Subject, Token, Next)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Next {
    Ask,
    Call,
    Report(bool),
}

#[derive(Clone, Copy, Debug)]
struct Actor(&'static str);

impl State {
    /// Tokens that were in force are old now.
    fn outdate(&mut self) {
        let visits = self
            .processes
            .iter_mut()
            .flat_map(|process| &mut process.visit);
        for (_, token, _) in visits {
            if *token == Token::InForce {
                *token = Token::Old;
            }
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take()
            && !open.was_there
        {
            self.accident = Some(Promise::StaysOpen);
        }
        self.outdate();
        self.processes
            .iter_mut()
            .for_each(|process| process.has_called = false);
    }

    fn open(&mut self, by_operator: bool) {
        self.outdate();
        self.failing = [0; BRANDS];
        self.open = Some(Open {
            by_operator,
            probe: None,
            was_there: !self.is_away,
        });
        self.processes
            .iter_mut()
            .for_each(|process| process.has_called = false);
    }

    fn report(&mut self, mutation: Option<Mutation>, visit: (Subject, Token), is_success: bool) {
        let (subject, token) = visit;
        let holds = token == Token::InForce
            || (token == Token::Old && mutation == Some(Mutation::OldTokenCloses))
            || mutation == Some(Mutation::AnySuccessCloses);
        match (self.open, is_success) {
            (Some(open), true) if holds => {
                if open.by_operator {
                    self.accident = Some(Promise::OperatorsStays);
                }
                self.close();
            }
            (Some(open), false) if token == Token::InForce => {
                self.outdate();
                self.open = Some(Open {
                    probe: None,
                    ..open
                });
            }
            (None, true) => self.failing = [0; BRANDS],
            (None, false) => {
                let Some(brand) = subject else { return };
                let again = mutation == Some(Mutation::SameBrandCounts);
                let count = &mut self.failing[brand];
                *count = if again { (*count + 1).min(2) } else { 1 };
                let failed: u32 = self.failing.iter().map(|count| u32::from(*count)).sum();
                if failed >= FAILURES {
                    if self.failing.iter().filter(|count| **count > 0).count() < 2 {
                        self.accident = Some(Promise::OneBrandOpensNothing);
                    }
                    self.open(false);
                }
            }
            _ => {}
        }
    }

    fn is_settled(&self) -> bool {
        self.open.is_none() && self.arrived[1..].iter().all(|arrived| *arrived)
    }
}

impl Circuit {
    fn is(self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    fn around(self, from: &State, add: &mut impl FnMut(Kind, Actor, &'static str, State)) {
        let mut to = *from;
        to.is_away = !from.is_away;
        if from.is_away {
            if let Some(open) = &mut to.open {
                open.was_there = true;
            }
            add(Kind::System, Actor("the CMS"), "is back", to);
        } else if from.outages < 2 {
            to.outages += 1;
            add(Kind::Fault, Actor("the CMS"), "goes away", to);
        }
        let mut to = *from;
        if from.open.is_some() {
            if let Some(open) = &mut to.open {
                open.was_there = true;
            }
            to.close();
            add(Kind::Help, Actor("the operator"), "closes the circuit", to);
        }
        let mut to = *from;
        to.open(true);
        add(
            Kind::Outside,
            Actor("the operator"),
            "opens the circuit",
            to,
        );
        if let Some(
            open @ Open {
                probe: Some(false), ..
            },
        ) = from.open
            && !self.is(Mutation::ProbeWithoutEnd)
        {
            let mut to = *from;
            to.open = Some(Open {
                probe: Some(true),
                ..open
            });
            add(Kind::System, Actor("time"), "ends the right to probe", to);
        }
    }

    /// While the circuit is closed, each row that is due is notified; while it is open, one probe. The sweep may die in between.
    fn sweep(self, from: &State, add: &mut impl FnMut(Kind, Actor, &'static str, State)) {
        let Some(open) = from.open else { return };
        let may_probe = !open.by_operator || self.is(Mutation::OperatorsIsProbed);
        if !may_probe || open.probe == Some(false) {
            return;
        }
        let due = (0..BRANDS).filter(|brand| !from.arrived[*brand]).map(Some);
        let reads = [None]
            .into_iter()
            .filter(|_| !self.is(Mutation::OnlyRowsProbe));
        let mut begun = *from;
        begun.outdate();
        begun.open = Some(Open {
            probe: Some(false),
            ..open
        });
        let idle = (0..2).filter(|id| from.processes[*id].visit.is_none());
        for (subject, id) in due
            .chain(reads)
            .flat_map(|subject| idle.clone().map(move |id| (subject, id)))
        {
            let mut to = begun;
            to.processes[id].visit = Some((subject, Token::InForce, Next::Ask));
            add(Kind::System, Actor("the sweep"), "begins a probe", to);
        }
        add(
            Kind::Fault,
            Actor("the sweep"),
            "begins a probe and dies",
            begun,
        );
    }

    fn process(
        self,
        from: &State,
        id: usize,
        add: &mut impl FnMut(Kind, Actor, &'static str, State),
    ) {
        let actor = Actor(["process One", "process Two"][id]);
        let process = from.processes[id];
        let with = |visit| {
            let mut to = *from;
            to.processes[id].visit = visit;
            to
        };
        let Some((subject, token, next)) = process.visit else {
            for brand in (0..BRANDS).filter(|brand| !from.arrived[*brand]) {
                let kind = if from.open.is_none() {
                    Kind::System
                } else {
                    Kind::Fault
                };
                let visit = Some((Some(brand), Token::None, Next::Ask));
                add(kind, actor, "visits a row", with(visit));
            }
            if let Some((subject, token @ (Token::InForce | Token::Old), _)) =
                from.processes[1 - id].visit
            {
                let doubled = with(Some((subject, token, Next::Ask)));
                add(Kind::Fault, actor, "gets the probe's message, too", doubled);
            }
            return;
        };
        add(Kind::Fault, actor, "dies", {
            let mut to = *from;
            to.processes[id] = Process::default();
            to
        });
        match next {
            Next::Ask if token == Token::None && !process.takes_for_open => {
                add(
                    Kind::System,
                    actor,
                    "takes the circuit for closed",
                    with(Some((subject, token, Next::Call))),
                );
            }
            Next::Ask => {
                let may = from.open.is_none() || token == Token::InForce;
                let visit = may.then_some((subject, token, Next::Call));
                let mut to = with(visit);
                to.processes[id].takes_for_open = from.open.is_some();
                add(Kind::System, actor, "looks at the circuit", to);
            }
            Next::Call => {
                let succeeds = !from.is_away && subject != Some(0);
                let mut to = with(Some((subject, token, Next::Report(succeeds))));
                if !succeeds && token == Token::None && from.open.is_some() {
                    if process.has_called {
                        to.accident = Some(Promise::IsQuiet);
                    }
                    to.processes[id].has_called = true;
                }
                if let Some(brand) = subject.filter(|_| succeeds) {
                    to.arrived[brand] = true;
                }
                let what = if succeeds {
                    "calls the CMS"
                } else {
                    "calls the CMS, which fails"
                };
                add(Kind::System, actor, what, to);
            }
            Next::Report(is_success) => {
                let mut to = with(None);
                to.report(self.mutation, (subject, token), is_success);
                if !is_success && !self.is(Mutation::ProcessDoesNotLook) {
                    to.processes[id].takes_for_open = to.open.is_some();
                }
                add(Kind::System, actor, "reports", to);
            }
        }
    }
}

impl World for Circuit {
    type State = State;
    type Promise = Promise;
    type Actor = Actor;
    type Rest = ();

    fn transitions(&self, from: &State, found: &mut Vec<Transition<Self>>) {
        let add = &mut |kind, actor, what, to| {
            found.push(Transition {
                kind,
                actor,
                what,
                to,
            });
        };
        self.around(from, add);
        self.sweep(from, add);
        self.process(from, 0, add);
        self.process(from, 1, add);
    }

    fn canonical(state: &State) -> State {
        let mut state = *state;
        state.processes.sort_unstable();
        state
    }

    fn is_kept(&self, promise: Promise, state: &State, _: bool) -> bool {
        state.accident != Some(promise)
    }

    fn way(&self, promise: Promise) -> Option<Way<Self>> {
        (promise == Promise::Arrives).then_some(Way {
            with_help: false,
            starts: |state| state.open.is_none_or(|open| !open.by_operator),
            arrives: |state, _| state.is_settled(),
        })
    }

    fn rest(&self, _: &State) {}
}

impl Display for Actor {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl Display for State {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let cms = if self.is_away { "away" } else { "there" };
        write!(formatter, "the CMS is {cms}; arrived: {:?}; ", self.arrived)?;
        match self.open {
            None => write!(formatter, "closed, failing: {:?}", self.failing),
            Some(open) if open.by_operator => formatter.write_str("open by the operator"),
            Some(open) => write!(formatter, "open, probe: {}", open.probe.is_some()),
        }
    }
}

impl Display for Promise {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Arrives => "from here on the circuit stays open, or a brand is not synced",
            Self::OperatorsStays => "what the operator opened is closed without the operator",
            Self::StaysOpen => "the circuit is closed, and the CMS has not been there",
            Self::IsQuiet => "a process calls the CMS again though the circuit is open",
            Self::OneBrandOpensNothing => "one brand alone has opened the circuit",
        })
    }
}

fn breaks(mutation: Mutation, promise: Promise) {
    let model = Circuit {
        mutation: Some(mutation),
    };
    let Err(found) = search(&model, &[promise]) else {
        panic!("{mutation:?} breaks nothing of {promise:?}");
    };
    println!("{mutation:?}:\n{}", story(&model, &found));
}

#[test]
fn the_circuit_keeps_its_promises_whatever_fails() {
    let model = Circuit::default();
    let tally = search(&model, &ALL).unwrap_or_else(|found| panic!("{}", story(&model, &found)));
    let (states, transitions) = (tally.states, tally.transitions);
    println!("circuit: {states} states, {transitions} transitions");
    println!("  faults: {:?}", tally.faults);
    assert!(!tally.faults.is_empty(), "nothing failed");
}

#[test]
fn a_lost_probe_without_end_keeps_the_circuit_open() {
    breaks(Mutation::ProbeWithoutEnd, Promise::Arrives);
}

#[test]
fn a_probe_that_is_always_a_row_keeps_the_circuit_open_for_one_broken_brand() {
    breaks(Mutation::OnlyRowsProbe, Promise::Arrives);
}

#[test]
fn a_success_from_before_the_outage_must_not_close_the_circuit() {
    breaks(Mutation::AnySuccessCloses, Promise::StaysOpen);
}

#[test]
fn an_old_token_must_not_close_the_circuit() {
    breaks(Mutation::OldTokenCloses, Promise::StaysOpen);
}

#[test]
fn a_probe_must_not_close_what_the_operator_opened() {
    breaks(Mutation::OperatorsIsProbed, Promise::OperatorsStays);
}

#[test]
fn one_brand_that_fails_again_and_again_must_not_open_the_circuit() {
    breaks(Mutation::SameBrandCounts, Promise::OneBrandOpensNothing);
}

#[test]
fn a_process_that_does_not_look_goes_on_calling() {
    breaks(Mutation::ProcessDoesNotLook, Promise::IsQuiet);
}
