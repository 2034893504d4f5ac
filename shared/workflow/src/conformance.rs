//! What a journal must do, as cases that any journal can be put through.
//!
//! ```
//! # use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
//! # use workflow::{Journal, MemoryJournal, RunId, conformance::{Fixture, check}};
//! #[derive(Default)]
//! struct InMemory {
//!     journal: Arc<MemoryJournal>,
//!     runs: AtomicU32,
//! }
//!
//! impl Fixture for InMemory {
//!     async fn new_run(&self) -> RunId {
//!         RunId::new(self.runs.fetch_add(1, Ordering::Relaxed).to_string())
//!     }
//!
//!     async fn journal(&self, _: &RunId) -> Arc<dyn Journal> {
//!         self.journal.clone()
//!     }
//! }
//!
//! assert_eq!(futures::executor::block_on(check(&InMemory::default())), 12);
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the cases are tests, for other crates"
)]

use std::sync::Arc;

use futures::future::join_all;

use crate::{
    Committed, Expected, Fence, Journal, Json, Phase, Run, RunError, RunId, RunState, StepRecord,
    StepState, Timestamp,
};

/// A journal under test.
pub trait Fixture: Sync {
    /// The id of a run that the journal can hold, and holds nothing for.
    fn new_run(&self) -> impl Future<Output = RunId> + Send;

    /// The journal as a worker has it that begins to work on that run now. All workers see the same records.
    fn journal(&self, id: &RunId) -> impl Future<Output = Arc<dyn Journal>> + Send;
}

/// How many workers write at once in the cases that are about that.
const WORKERS: u64 = 8;

/// Puts a journal through all cases and answers how many there were; panics at the first that fails.
pub async fn check<F: Fixture>(fixture: &F) -> usize {
    let cases = Cases { fixture };
    cases.a_record_is_read_as_it_was_written().await;
    cases.a_run_is_begun_once().await;
    cases.a_worker_that_was_replaced_writes_nothing().await;
    cases.a_late_write_does_not_overwrite_a_newer_one().await;
    cases.a_record_that_is_gone_is_not_created_again().await;
    cases.a_repeated_write_finds_itself().await;
    cases
        .a_request_to_cancel_stops_the_workers_next_write()
        .await;
    cases
        .a_run_that_waits_is_paused_or_failed_keeps_its_record()
        .await;
    cases.a_run_that_is_over_can_begin_its_next_attempt().await;
    cases.of_many_workers_one_begins_a_run().await;
    cases.of_many_workers_one_takes_a_run_over().await;
    cases.a_record_of_the_largest_size_is_kept().await;
    12
}

struct Cases<'a, F> {
    fixture: &'a F,
}

const NOW: Timestamp = Timestamp::from_millis(1_795_427_107_966);

impl<F: Fixture> Cases<'_, F> {
    /// A run in flight, with everything that a record can have.
    async fn run(&self) -> Run {
        let done = StepRecord {
            name: "child/act-1".to_owned(),
            step: Some("act".to_owned()),
            state: StepState::Done,
            irreversible: false,
            optional: true,
            input: Json::of(&vec![0.1, 1e300]).unwrap(),
            output: Some(Json::of(&"žluťoučký 🦀 \u{0}").unwrap()),
            undo: Some(Json::of(&()).unwrap()),
            retries: 3,
            compensations: 1,
            key: 2,
            undo_key: 1,
            began_at: NOW,
            began: 0,
            ended: Some(1),
        };
        let in_flight = StepRecord {
            name: "act".to_owned(),
            irreversible: true,
            input: done.input.clone(),
            began: 2,
            ..StepRecord::default()
        };
        let error = RunError {
            step: "child/act-1".to_owned(),
            during: Phase::Compensate,
            message: String::new(),
            at: NOW,
        };
        Run {
            id: self.fixture.new_run().await,
            workflow: "conformance".to_owned(),
            version: 7,
            state: RunState::Invoking,
            attempt: 2,
            nonce: "nonce".to_owned(),
            sequence: 1,
            owner: "one".to_owned(),
            lease_until: Some(NOW),
            suspensions: 3,
            budget_from: Some(NOW),
            input: Json::of(&u64::MAX).unwrap(),
            steps: vec![done, in_flight],
            cause: Some(error.clone()),
            errors: vec![error],
            began_at: NOW,
            ..Run::default()
        }
    }

    async fn begun(&self) -> Run {
        let run = self.run().await;
        self.applied(&run, Expected::Absent).await;
        run
    }

    async fn journal(&self, run: &Run) -> Arc<dyn Journal> {
        self.fixture.journal(&run.id).await
    }

    async fn load(&self, run: &Run) -> Option<Run> {
        self.journal(run).await.load(&run.id).await.unwrap()
    }

    async fn commit(&self, run: &Run, expected: Expected) -> Committed {
        self.journal(run).await.commit(run, expected).await.unwrap()
    }

    async fn applied(&self, run: &Run, expected: Expected) {
        applied_by(&*self.journal(run).await, run, expected).await;
        assert_eq!(self.load(run).await.as_ref(), Some(run));
    }

    async fn conflicts(&self, run: &Run, expected: Expected, with: &Run) {
        match self.commit(run, expected).await {
            Committed::Conflict(Some(found)) => assert_eq!(*found, *with),
            other => panic!("{other:?} is not a conflict with {with:?}"),
        }
        assert_eq!(self.load(run).await.as_ref(), Some(with));
    }

    async fn a_record_is_read_as_it_was_written(&self) {
        let run = self.run().await;
        assert_eq!(self.load(&run).await, None);
        self.applied(&run, Expected::Absent).await;
        let second = Run {
            state: RunState::Compensating,
            steps: Vec::new(),
            ..next(&run)
        };
        self.applied(&second, at(&run)).await;
    }

    async fn a_run_is_begun_once(&self) {
        let first = self.run().await;
        let second = owned(&first, "two");
        // Both have found nothing before one of them writes.
        let (one, two) = (self.journal(&first).await, self.journal(&first).await);
        assert_eq!(one.load(&first.id).await.unwrap(), None);
        assert_eq!(two.load(&first.id).await.unwrap(), None);
        applied_by(&*one, &first, Expected::Absent).await;
        match two.commit(&second, Expected::Absent).await.unwrap() {
            Committed::Conflict(Some(found)) => assert_eq!(*found, first),
            other => panic!("{other:?}"),
        }
        self.conflicts(&second, Expected::Absent, &first).await;
    }

    async fn a_worker_that_was_replaced_writes_nothing(&self) {
        let begun = self.begun().await;
        let former = self.journal(&begun).await;
        assert_eq!(former.load(&begun.id).await.unwrap(), Some(begun.clone()));
        let taken_over = owned(&next(&begun), "two");
        self.applied(&taken_over, at(&begun)).await;
        let committed = former.commit(&next(&begun), at(&begun)).await.unwrap();
        assert!(
            matches!(committed, Committed::Conflict(Some(_))),
            "{committed:?}"
        );
        self.conflicts(&next(&begun), at(&begun), &taken_over).await;
        // Not even where the sequence is right.
        let guess = next(&next(&begun));
        let guessed = at(&owned(&taken_over, "one"));
        self.conflicts(&guess, guessed, &taken_over).await;
    }

    /// ```text
    /// worker: write 2 (expects 1) ─► no answer ─► write 3 (expects 1) ─► made
    ///                           └─────────────────────────────────────────────► arrives late: refused
    /// ```
    async fn a_late_write_does_not_overwrite_a_newer_one(&self) {
        let begun = self.begun().await;
        let late = next(&begun);
        let newer = next(&late);
        self.applied(&newer, at(&begun)).await;
        self.conflicts(&late, at(&begun), &newer).await;
    }

    async fn a_record_that_is_gone_is_not_created_again(&self) {
        let run = self.run().await;
        let committed = self.commit(&next(&run), at(&run)).await;
        assert!(
            matches!(committed, Committed::Conflict(None)),
            "{committed:?}"
        );
        assert_eq!(self.load(&run).await, None);
    }

    /// A write whose reply was lost: its repetition is either known as such, or refused with what stands.
    async fn a_repeated_write_finds_itself(&self) {
        let begun = self.begun().await;
        self.finds_itself(&begun, Expected::Absent).await;
        let second = next(&begun);
        self.applied(&second, at(&begun)).await;
        self.finds_itself(&second, at(&begun)).await;
    }

    async fn finds_itself(&self, run: &Run, expected: Expected) {
        match self.commit(run, expected).await {
            Committed::Applied => {}
            Committed::Conflict(Some(found)) => assert_eq!(*found, *run),
            other @ Committed::Conflict(None) => panic!("{other:?}"),
        }
        assert_eq!(self.load(run).await.as_ref(), Some(run));
    }

    async fn a_request_to_cancel_stops_the_workers_next_write(&self) {
        let begun = self.begun().await;
        let worker = self.journal(&begun).await;
        assert_eq!(worker.load(&begun.id).await.unwrap(), Some(begun.clone()));
        let cancelled = Run {
            cancel_requested_at: Some(NOW),
            ..next(&begun)
        };
        self.applied(&cancelled, at(&begun)).await;
        let unaware = next(&next(&begun));
        match worker.commit(&unaware, at(&begun)).await.unwrap() {
            Committed::Conflict(Some(found)) => assert_eq!(*found, cancelled),
            other => panic!("{other:?}"),
        }
        let aware = next(&cancelled);
        applied_by(&*worker, &aware, at(&cancelled)).await;
        assert_eq!(self.load(&begun).await, Some(aware));
    }

    async fn a_run_that_waits_is_paused_or_failed_keeps_its_record(&self) {
        let begun = self.begun().await;
        let suspended = Run {
            lease_until: None,
            resume_at: Some(NOW),
            ..next(&begun)
        };
        self.applied(&suspended, at(&begun)).await;
        let paused = Run {
            resume_at: None,
            paused_at: Some(NOW),
            ..next(&suspended)
        };
        self.applied(&paused, at(&suspended)).await;
        let resumed = Run {
            paused_at: None,
            lease_until: Some(NOW),
            ..owned(&next(&paused), "two")
        };
        self.applied(&resumed, at(&paused)).await;
        let failed = Run {
            state: RunState::Failed,
            lease_until: None,
            ..next(&resumed)
        };
        self.applied(&failed, at(&resumed)).await;
        // A run can wait before anything of it is recorded.
        let suspended = Run {
            steps: Vec::new(),
            lease_until: None,
            resume_at: Some(NOW),
            ..self.run().await
        };
        self.applied(&suspended, Expected::Absent).await;
    }

    /// The journal may drop the record of a run that is over.
    async fn a_run_that_is_over_can_begin_its_next_attempt(&self) {
        for state in [RunState::Done, RunState::Reverted] {
            let begun = self.begun().await;
            let over = Run {
                state,
                lease_until: None,
                output: (state == RunState::Done).then(|| Json::of(&()).unwrap()),
                // To the second, which is as precise as a database's time to live.
                expires_at: Some(Timestamp::from_millis(1_798_000_000_000)),
                ..next(&begun)
            };
            applied_by(&*self.journal(&over).await, &over, at(&begun)).await;
            let is_over = |found: &Option<Run>| found.as_ref().is_none_or(|found| *found == over);
            let repeated = match self.commit(&over, at(&begun)).await {
                Committed::Applied => self.load(&begun).await,
                Committed::Conflict(found) => found.map(|found| *found),
            };
            assert!(is_over(&repeated), "{repeated:?}");
            let found = self.load(&begun).await;
            assert!(is_over(&found), "{found:?}");
            let (expected, sequence) = match &found {
                None => (Expected::Absent, 1),
                Some(over) => (at(over), over.sequence + 1),
            };
            let again = Run {
                attempt: 3,
                nonce: "other".to_owned(),
                sequence,
                ..owned(&begun, "two")
            };
            self.applied(&again, expected.clone()).await;
            let late = owned(&again, "three");
            self.conflicts(&late, expected, &again).await;
        }
    }

    async fn one_of_many(&self, run: &Run, expected: Expected) {
        let workers = join_all((0..WORKERS).map(|worker| {
            let run = owned(run, &format!("worker {worker}"));
            async move { (self.journal(&run).await, run) }
        }));
        let writes = workers.await.into_iter().map(|(journal, run)| {
            let expected = expected.clone();
            async move { (journal.commit(&run, expected).await.unwrap(), run) }
        });
        let mut made = Vec::new();
        for (committed, run) in join_all(writes).await {
            match committed {
                Committed::Applied => made.push(run),
                Committed::Conflict(Some(_)) => {}
                other @ Committed::Conflict(None) => panic!("{other:?}"),
            }
        }
        assert_eq!(made.len(), 1, "of {WORKERS} workers one makes its write");
        assert_eq!(self.load(run).await, made.pop());
    }

    async fn of_many_workers_one_begins_a_run(&self) {
        self.one_of_many(&self.run().await, Expected::Absent).await;
    }

    async fn of_many_workers_one_takes_a_run_over(&self) {
        let begun = self.begun().await;
        self.one_of_many(&next(&begun), at(&begun)).await;
    }

    async fn a_record_of_the_largest_size_is_kept(&self) {
        let mut run = self.run().await;
        let journal = self.journal(&run).await;
        // Where there is no limit, a megabyte has to do.
        let most = journal.max_size().min(1_000_000);
        let room = most.saturating_sub(journal.size(&run)).saturating_sub(100);
        run.output = Some(Json::of(&"x".repeat(room)).unwrap());
        assert!(journal.size(&run) <= most);
        self.applied(&run, Expected::Absent).await;
    }
}

async fn applied_by(journal: &dyn Journal, run: &Run, expected: Expected) {
    let committed = journal.commit(run, expected).await.unwrap();
    assert!(matches!(committed, Committed::Applied), "{committed:?}");
}

/// The record with the sequence of the next write.
fn next(run: &Run) -> Run {
    let sequence = run.sequence + 1;
    Run {
        sequence,
        ..run.clone()
    }
}

fn owned(run: &Run, owner: &str) -> Run {
    Run {
        owner: owner.to_owned(),
        ..run.clone()
    }
}

fn at(run: &Run) -> Expected {
    Expected::At(Fence::of(run))
}
