//! What a store of circuits must do, as cases that any store can be put through.
//!
//! ```
//! # use circuit::{MemoryCircuitStore, conformance};
//! let cases = futures::executor::block_on(conformance::check(&MemoryCircuitStore::new(), "doctest"));
//! assert!(cases >= 6);
//! ```

#![expect(
    clippy::unwrap_used,
    reason = "a case fails by panicking, as a test does"
)]

use std::collections::BTreeMap;

use futures::future::join_all;
use workflow::Timestamp;

use crate::{
    Circuit, CircuitStore, ClosedBy, Closing, Committed, OpenedBy, Opening, ProbeLease, ProbeToken,
    Probing,
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
    let opened = |by| Circuit {
        open: Some(Opening {
            cause: "žluťoučký 🦀 \u{0}".to_owned(),
            opened_at: at,
            by,
        }),
        ..Circuit::default()
    };
    let closed = |by, reason: Option<&str>| Circuit {
        closed: Some(Closing {
            by,
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
        opened(probing(None, None)),
        opened(probing(Some(86_400_000), Some(lease))),
        opened(OpenedBy::Operator),
        closed(ClosedBy::Probe, None),
        closed(ClosedBy::Operator, Some("it is back")),
    ]
}
