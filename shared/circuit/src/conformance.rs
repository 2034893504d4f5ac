//! What a store of circuits and one of calls must do, as cases that any store can be put through.
//!
//! ```
//! # use circuit::{MemoryCircuitStore, conformance};
//! let cases = futures::executor::block_on(conformance::check(&MemoryCircuitStore::new(), "doctest"));
//! assert!(cases >= 6);
//! let cases = futures::executor::block_on(conformance::check_calls(&MemoryCircuitStore::new(), "doctest"));
//! assert!(cases >= 3);
//! ```

#![expect(
    clippy::unwrap_used,
    reason = "a case fails by panicking, as a test does"
)]

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use workflow::Timestamp;

use crate::{
    CallStore, Calls, Circuit, CircuitStore, ClosedBy, Closing, Committed, Minute, OpenedBy,
    Opening, ProbeLease, ProbeToken, Probing, WINDOW, last_hour,
};

/// How many processes write a circuit at once, in the case that is about that.
const WRITERS: usize = 8;

/// Puts a store through all cases and answers how many there were; panics at the first that fails. The circuits' names begin with
/// `prefix`, which must not have been used with this store before.
pub async fn check(store: &dyn CircuitStore, prefix: &str) -> usize {
    let cases = Cases { store, prefix };
    cases.a_circuit_that_was_never_written_is_closed().await;
    cases.a_circuit_is_read_as_it_was_written().await;
    cases.a_stale_revision_writes_nothing().await;
    cases.a_circuit_that_is_gone_is_not_written_over().await;
    cases.a_repeated_write_finds_itself().await;
    cases.of_many_writers_one_is_applied().await;
    6
}

struct Cases<'a> {
    store: &'a dyn CircuitStore,
    prefix: &'a str,
}

impl Cases<'_> {
    fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    async fn a_circuit_that_was_never_written_is_closed(&self) {
        let found = self.store.load(&self.id("never-written")).await.unwrap();
        assert_eq!(found, Circuit::default());
    }

    async fn a_circuit_is_read_as_it_was_written(&self) {
        let id = self.id("written");
        let mut expected = None;
        for (number, mut circuit) in circuits().into_iter().enumerate() {
            let revision = number.to_string();
            circuit.revision = Some(revision.clone());
            let committed = self.store.commit(&id, &circuit, expected.as_deref()).await;
            assert_eq!(committed.unwrap(), Committed::Applied);
            assert_eq!(self.store.load(&id).await.unwrap(), circuit);
            expected = Some(revision);
        }
        let other = self.store.load(&self.id("written-not")).await.unwrap();
        assert_eq!(other, Circuit::default(), "another circuit is not touched");
    }

    async fn a_stale_revision_writes_nothing(&self) {
        let id = self.id("stale");
        let (first, second, third) = (revision("a"), revision("b"), revision("c"));
        self.store.commit(&id, &first, None).await.unwrap();
        self.store.commit(&id, &second, Some("a")).await.unwrap();
        for expected in [None, Some("a"), Some("c")] {
            let committed = self.store.commit(&id, &third, expected).await.unwrap();
            let found = Box::new(second.clone());
            assert_eq!(committed, Committed::Conflict(found), "{expected:?}");
            assert_eq!(self.store.load(&id).await.unwrap(), second);
        }
    }

    async fn a_circuit_that_is_gone_is_not_written_over(&self) {
        let id = self.id("gone");
        let committed = self.store.commit(&id, &revision("b"), Some("a")).await;
        let nothing = Box::new(Circuit::default());
        assert_eq!(committed.unwrap(), Committed::Conflict(nothing));
        assert_eq!(self.store.load(&id).await.unwrap(), Circuit::default());
    }

    async fn a_repeated_write_finds_itself(&self) {
        let id = self.id("repeated");
        let (first, second) = (revision("a"), revision("b"));
        for (circuit, expected) in [(&first, None), (&second, Some("a"))] {
            for _ in 0..2 {
                let committed = self.store.commit(&id, circuit, expected).await.unwrap();
                assert_eq!(committed, Committed::Applied);
            }
        }
    }

    async fn of_many_writers_one_is_applied(&self) {
        let id = self.id("contended");
        for expected in [None, Some("a0")] {
            let name = if expected.is_none() { "a" } else { "b" };
            let circuits: Vec<_> = (0..WRITERS)
                .map(|writer| revision(&format!("{name}{writer}")))
                .collect();
            let commits = circuits
                .iter()
                .map(|circuit| self.store.commit(&id, circuit, expected));
            let committed: Vec<_> = join_all(commits).await.into_iter().flatten().collect();
            let found = self.store.load(&id).await.unwrap();
            let mut applied = 0;
            for (circuit, committed) in circuits.iter().zip(&committed) {
                match committed {
                    Committed::Applied => {
                        applied += 1;
                        assert_eq!(&found, circuit);
                    }
                    Committed::Conflict(conflict) => assert_eq!(**conflict, found),
                }
            }
            assert_eq!((applied, committed.len()), (1, WRITERS));
            // The second round is about that revision.
            let next = revision("a0");
            let last = found.revision.as_deref();
            self.store.commit(&id, &next, last).await.unwrap();
        }
    }
}

fn revision(revision: &str) -> Circuit {
    Circuit {
        revision: Some(revision.to_owned()),
        ..Circuit::default()
    }
}

/// One of each kind, with everything that it can have.
fn circuits() -> Vec<Circuit> {
    let at = Timestamp::from_millis(1_795_427_107_966);
    let probing = |wait_millis, lease| {
        OpenedBy::System(Probing {
            probe_at: at,
            wait_millis,
            failed_probes: 3,
            lease,
        })
    };
    let lease = ProbeLease {
        token: ProbeToken::new("7b0c"),
        until: at,
    };
    let opened = |by, operator: Option<&str>| Circuit {
        open: Some(Opening {
            operator: operator.map(str::to_owned),
            cause: "žluťoučký 🦀 \u{0}".to_owned(),
            opened_at: at,
            by,
        }),
        ..Circuit::default()
    };
    let closed = |by, reason: Option<&str>| Circuit {
        closed: Some(Closing {
            by,
            operator: reason.map(|_| "operate".to_owned()),
            reason: reason.map(str::to_owned),
            closed_at: at,
        }),
        ..Circuit::default()
    };
    let failing = BTreeMap::from([("a".to_owned(), at), ("b.c #:".to_owned(), at)]);
    vec![
        Circuit::default(),
        Circuit {
            failing,
            ..Circuit::default()
        },
        opened(probing(None, None), None),
        opened(probing(Some(86_400_000), Some(lease)), None),
        opened(OpenedBy::Operator, None),
        opened(OpenedBy::Operator, Some("user_01")),
        closed(ClosedBy::Probe, None),
        closed(ClosedBy::Operator, Some("it is back")),
    ]
}

/// The same for a store of calls. The services' names begin with `prefix`.
pub async fn check_calls(store: &dyn CallStore, prefix: &str) -> usize {
    let service = |name: &str| format!("{prefix}-{name}");
    a_window_without_reports_has_no_calls(store, &service("silent")).await;
    what_many_processes_add_at_once_is_added_up(store, &service("busy")).await;
    the_last_hour_has_the_minutes_of_the_last_hour(store, &service("hour")).await;
    3
}

/// In the last minute of a window.
const NOW: Timestamp = Timestamp::from_millis(1_795_427_399_999);

/// Another number for each minute; the last one has no calls.
fn counted() -> [Calls; WINDOW] {
    let mut number = WINDOW as u64;
    [(); WINDOW].map(|()| {
        number -= 1;
        Calls {
            calls: number,
            errors: number / 2,
            limited: number / 3,
            latency_millis: number * 1_000,
        }
    })
}

async fn a_window_without_reports_has_no_calls(store: &dyn CallStore, service: &str) {
    let window = Minute::of(NOW).window();
    assert_eq!(
        store.read(service, &[window]).await.unwrap(),
        BTreeMap::new()
    );
    let nothing = [Calls::default(); WINDOW];
    store.add(service, window, &nothing).await.unwrap();
    let read = store.read(service, &[window]).await.unwrap();
    assert!(read.values().all(|calls| *calls == nothing), "{read:?}");
}

async fn what_many_processes_add_at_once_is_added_up(store: &dyn CallStore, service: &str) {
    let (counted, window) = (counted(), Minute::of(NOW).window());
    let adds = (0..WRITERS).map(|_| store.add(service, window, &counted));
    let added: Vec<_> = join_all(adds).await.into_iter().flatten().collect();
    assert_eq!(added.len(), WRITERS);
    let mut sum = [Calls::default(); WINDOW];
    for _ in 0..WRITERS {
        for (sum, calls) in sum.iter_mut().zip(counted) {
            sum.add(calls);
        }
    }
    let read = store.read(service, &[window]).await.unwrap();
    assert_eq!(read, BTreeMap::from([(window, sum)]));
    let other = format!("{service}-not");
    assert_eq!(
        store.read(&other, &[window]).await.unwrap(),
        BTreeMap::new()
    );
}

async fn the_last_hour_has_the_minutes_of_the_last_hour(store: &dyn CallStore, service: &str) {
    let (minute, counted) = (Duration::from_mins(1), counted());
    for ago in 0..8 {
        let window = Minute::of(NOW.minus(minute * 10 * ago)).window();
        store.add(service, window, &counted).await.unwrap();
    }
    // Nine of ten minutes have calls.
    for later in 0..10 {
        let now = NOW.plus(minute * later);
        let hour = last_hour(store, service, now).await.unwrap();
        let (first, _) = hour.first().unwrap();
        let (last, calls) = hour.last().unwrap();
        assert_eq!(
            (hour.len(), *last),
            (expected_minutes(later), Minute::of(NOW.minus(minute)))
        );
        assert_eq!(calls.calls, 1);
        assert!(first.begins_at() >= Minute::of(now.minus(minute * 59)).begins_at());
        assert!(hour.is_sorted_by_key(|(minute, _)| *minute));
    }
}

/// Each minute that passes takes one of the hour's first ten away, of which the last has no calls.
fn expected_minutes(later: u32) -> usize {
    54 - usize::try_from(later).unwrap()
}
