//! What a journal must do, as cases that any journal can be put through.
//!
//! ```
//! # use std::sync::{Arc, Mutex};
//! # use workflow::{Journal, MemoryJournal, conformance::{Subject, check}};
//! #[derive(Default)]
//! struct InMemory {
//!     written: Arc<Mutex<Vec<String>>>,
//! }
//!
//! impl Subject for InMemory {
//!     type Write = Result<String, String>;
//!
//!     fn journal(&self) -> Arc<dyn Journal<Self::Write>> {
//!         let written = Arc::clone(&self.written);
//!         Arc::new(MemoryJournal::new(move |writes: &[Self::Write]| {
//!             if let Some(index) = writes.iter().position(Result::is_err) {
//!                 return Err((index, "refused".to_owned()));
//!             }
//!             written.lock().unwrap().extend(writes.iter().cloned().flatten());
//!             Ok(())
//!         }))
//!     }
//!
//!     fn accepted(&self, name: &str) -> Self::Write {
//!         Ok(name.to_owned())
//!     }
//!
//!     fn refused(&self, name: &str) -> Self::Write {
//!         Err(name.to_owned())
//!     }
//!
//!     async fn is_written(&self, name: &str) -> bool {
//!         self.written.lock().unwrap().iter().any(|written| written == name)
//!     }
//! }
//!
//! let cases = futures::executor::block_on(check(&InMemory::default(), "doctest"));
//! assert!(cases >= 13);
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a case fails by panicking, as a test does"
)]

use std::sync::Arc;

use futures::future::join_all;

use crate::{
    Committed, Expected, Fence, Journal, Json, Phase, Run, RunError, RunId, RunQuery, RunState,
    StepRecord, StepState, Timestamp,
};

/// A journal to be put through the cases, and the writes that it can make together with a record.
pub trait Subject: Send + Sync {
    /// A write that a step may hand over.
    type Write: Clone + Send + Sync + 'static;

    /// The journal. Each call may answer another value, but all hold the same runs.
    fn journal(&self) -> Arc<dyn Journal<Self::Write>>;

    /// A write under that name that will be made.
    fn accepted(&self, name: &str) -> Self::Write;

    /// A write under that name that will be refused.
    fn refused(&self, name: &str) -> Self::Write;

    /// Whether the write under that name has been made.
    fn is_written(&self, name: &str) -> impl Future<Output = bool> + Send;
}

/// How many workers are at a run at once, in the cases that are about that.
const WORKERS: u64 = 8;

/// Puts a journal through all cases and answers how many there were; panics at the first that fails. The runs' ids
/// begin with `prefix`, which must not have been used with this journal before.
pub async fn check<S: Subject>(subject: &S, prefix: &str) -> usize {
    let cases = Cases {
        subject,
        journal: subject.journal(),
        prefix,
    };
    cases.a_record_is_read_as_it_was_written().await;
    cases.a_run_is_begun_once().await;
    cases.a_stale_epoch_writes_nothing().await;
    cases.a_stale_sequence_writes_nothing().await;
    cases.a_record_that_is_gone_is_not_written_anew().await;
    cases.a_repeated_write_finds_itself().await;
    cases.a_request_to_cancel_is_learned_of().await;
    cases.a_request_to_cancel_leaves_a_run_that_is_over().await;
    cases.writes_are_made_with_the_record().await;
    cases.a_refused_write_refuses_all().await;
    cases.a_conflict_says_nothing_of_the_writes().await;
    cases.of_many_workers_one_begins_a_run().await;
    cases.of_many_workers_one_takes_a_run_over().await;
    cases.runs_are_listed_page_by_page().await;
    cases.a_record_of_the_largest_size_is_kept().await;
    15
}

struct Cases<'a, S: Subject> {
    subject: &'a S,
    journal: Arc<dyn Journal<S::Write>>,
    prefix: &'a str,
}

impl<S: Subject> Cases<'_, S> {
    /// A run that has begun, with everything that a record can have.
    fn run(&self, name: &str) -> Run {
        let now = Timestamp::from_millis(1_795_427_107_966);
        let step = StepRecord {
            name: "child/act-1".to_owned(),
            step: "act".to_owned(),
            state: StepState::Done,
            compensated: true,
            optional: true,
            input: Json::of(&vec![0.1, 1e300]).unwrap(),
            output: Some(Json::of(&"žluťoučký 🦀 \u{0}").unwrap()),
            undo: Some(Json::of(&()).unwrap()),
            attempts: 3,
            compensations: 1,
            began: 1,
            ended: Some(2),
            started_at: now,
            ended_at: Some(now),
        };
        let error = RunError {
            step: "child/act-1".to_owned(),
            during: Phase::Invoke,
            message: String::new(),
            attempt: 1,
            at: now,
        };
        Run {
            id: RunId::new(format!("{}:{name}", self.prefix)),
            workflow: "conformance".to_owned(),
            version: 7,
            state: RunState::Invoking,
            attempt: 2,
            epoch: 1,
            sequence: 1,
            owner: "one".to_owned(),
            lease_until: Some(now),
            cancel_requested_at: None,
            input: Json::of(&u64::MAX).unwrap(),
            output: None,
            steps: vec![
                StepRecord {
                    optional: false,
                    output: None,
                    undo: None,
                    ended: None,
                    ..step.clone()
                },
                step,
            ],
            errors: vec![error],
            created_at: now,
            updated_at: now,
            expires_at: None,
        }
    }

    async fn begin(&self, name: &str) -> Run {
        let run = self.run(name);
        self.applied(&run, Expected::Absent).await;
        run
    }

    async fn commit(&self, run: &Run, expected: Expected, writes: &[S::Write]) -> Committed {
        self.journal.commit(run, expected, writes).await.unwrap()
    }

    async fn applied(&self, run: &Run, expected: Expected) {
        let committed = self.commit(run, expected, &[]).await;
        assert!(matches!(committed, Committed::Applied), "{committed:?}");
    }

    async fn conflicts(&self, run: &Run, expected: Expected, with: &Run) {
        match self.commit(run, expected, &[]).await {
            Committed::Conflict(Some(found)) => assert_eq!(*found, *with),
            other => panic!("{other:?} is no conflict with {with:?}"),
        }
        assert_eq!(
            self.journal.load(&run.id).await.unwrap().as_ref(),
            Some(with)
        );
    }

    async fn a_record_is_read_as_it_was_written(&self) {
        let mut run = self.begin("read").await;
        assert_eq!(self.journal.load(&run.id).await.unwrap(), Some(run.clone()));
        let fence = Fence::of(&run);
        // Over, with a moment of expiry to the second, which is what a database's time to live can keep.
        run.state = RunState::Done;
        run.sequence = 2;
        run.lease_until = None;
        run.output = Some(Json::of(&()).unwrap());
        run.expires_at = Some(Timestamp::from_millis(1_798_000_000_000));
        self.applied(&run, Expected::At(fence)).await;
        assert_eq!(self.journal.load(&run.id).await.unwrap(), Some(run));
        let unknown = RunId::new(format!("{}:unknown", self.prefix));
        assert_eq!(self.journal.load(&unknown).await.unwrap(), None);
    }

    async fn a_run_is_begun_once(&self) {
        let first = self.begin("begun").await;
        let second = Run {
            owner: "other".to_owned(),
            ..first.clone()
        };
        self.conflicts(&second, Expected::Absent, &first).await;
    }

    async fn a_stale_epoch_writes_nothing(&self) {
        let begun = self.begin("epoch").await;
        let fence = Fence::of(&begun);
        let taken_over = Run {
            epoch: 2,
            sequence: 2,
            owner: "other".to_owned(),
            ..begun.clone()
        };
        self.applied(&taken_over, Expected::At(fence)).await;
        let late = Run {
            sequence: 2,
            ..begun
        };
        self.conflicts(&late, Expected::At(fence), &taken_over)
            .await;
        let guessed = Fence {
            sequence: 2,
            ..fence
        };
        self.conflicts(&late, Expected::At(guessed), &taken_over)
            .await;
    }

    async fn a_stale_sequence_writes_nothing(&self) {
        let begun = self.begin("sequence").await;
        let fence = Fence::of(&begun);
        let second = Run {
            sequence: 2,
            ..begun.clone()
        };
        self.applied(&second, Expected::At(fence)).await;
        let third = Run {
            sequence: 3,
            ..begun
        };
        self.conflicts(&third, Expected::At(fence), &second).await;
    }

    async fn a_record_that_is_gone_is_not_written_anew(&self) {
        let run = self.run("gone");
        let committed = self.commit(&run, Expected::At(Fence::of(&run)), &[]).await;
        assert!(
            matches!(committed, Committed::Conflict(None)),
            "{committed:?}"
        );
        assert_eq!(self.journal.load(&run.id).await.unwrap(), None);
    }

    async fn a_repeated_write_finds_itself(&self) {
        let begun = self.begin("repeated").await;
        self.conflicts(&begun, Expected::Absent, &begun).await;
        let second = Run {
            sequence: 2,
            ..begun.clone()
        };
        let expected = Expected::At(Fence::of(&begun));
        self.applied(&second, expected).await;
        self.conflicts(&second, expected, &second).await;
    }

    async fn a_request_to_cancel_is_learned_of(&self) {
        let begun = self.begin("cancel").await;
        let (first, second) = (Timestamp::from_millis(1_000), Timestamp::from_millis(2_000));
        let cancelled = self
            .journal
            .request_cancel(&begun.id, first)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            cancelled,
            Run {
                cancel_requested_at: Some(first),
                ..begun.clone()
            }
        );
        let again = self
            .journal
            .request_cancel(&begun.id, second)
            .await
            .unwrap();
        assert_eq!(again.as_ref(), Some(&cancelled), "the first request counts");
        let unaware = Run {
            sequence: 2,
            ..begun.clone()
        };
        self.conflicts(&unaware, Expected::At(Fence::of(&begun)), &cancelled)
            .await;
        let aware = Run {
            sequence: 2,
            ..cancelled.clone()
        };
        self.applied(&aware, Expected::At(Fence::of(&cancelled)))
            .await;
    }

    async fn a_request_to_cancel_leaves_a_run_that_is_over(&self) {
        let at = Timestamp::from_millis(1_000);
        for state in [RunState::Done, RunState::Reverted] {
            let over = Run {
                state,
                ..self.run(&format!("cancel-{state}"))
            };
            self.applied(&over, Expected::Absent).await;
            assert_eq!(
                self.journal.request_cancel(&over.id, at).await.unwrap(),
                Some(over)
            );
        }
        let unknown = RunId::new(format!("{}:cancel-unknown", self.prefix));
        assert_eq!(
            self.journal.request_cancel(&unknown, at).await.unwrap(),
            None
        );
        assert_eq!(self.journal.load(&unknown).await.unwrap(), None);
    }

    fn writes(&self, name: &str) -> (Vec<String>, Vec<S::Write>) {
        let names: Vec<String> = (1..=2)
            .map(|number| format!("{}:{name}-{number}", self.prefix))
            .collect();
        let writes = names
            .iter()
            .map(|name| self.subject.accepted(name))
            .collect();
        (names, writes)
    }

    async fn writes_are_made_with_the_record(&self) {
        let (names, writes) = self.writes("written");
        let run = self.run("written");
        let committed = self.commit(&run, Expected::Absent, &writes).await;
        assert!(matches!(committed, Committed::Applied), "{committed:?}");
        for name in names {
            assert!(self.subject.is_written(&name).await, "{name}");
        }
        assert_eq!(self.journal.load(&run.id).await.unwrap(), Some(run));
    }

    async fn a_refused_write_refuses_all(&self) {
        let (names, mut writes) = self.writes("refused");
        writes.insert(1, self.subject.refused(&format!("{}:refused", self.prefix)));
        let run = self.run("refused");
        match self.commit(&run, Expected::Absent, &writes).await {
            Committed::Rejected { index, reason } => {
                assert!(index == 1 && !reason.is_empty(), "{index}: {reason}");
            }
            other => panic!("{other:?}"),
        }
        for name in names {
            assert!(!self.subject.is_written(&name).await, "{name}");
        }
        assert_eq!(self.journal.load(&run.id).await.unwrap(), None);
    }

    /// A worker whose reply was lost repeats its write. That its writes are refused now, since they are made, must not
    /// keep it from seeing that they are.
    async fn a_conflict_says_nothing_of_the_writes(&self) {
        let begun = self.begin("conflict").await;
        let refused = self.subject.refused(&format!("{}:conflict", self.prefix));
        let committed = self.commit(&begun, Expected::Absent, &[refused]).await;
        assert!(
            matches!(committed, Committed::Conflict(Some(_))),
            "{committed:?}"
        );
        let (names, writes) = self.writes("conflict");
        let committed = self.commit(&begun, Expected::Absent, &writes).await;
        assert!(
            matches!(committed, Committed::Conflict(Some(_))),
            "{committed:?}"
        );
        for name in names {
            assert!(!self.subject.is_written(&name).await, "{name}");
        }
    }

    async fn one_of_many(&self, run: &Run, expected: Expected) {
        let workers = (0..WORKERS).map(|worker| {
            let run = Run {
                owner: format!("worker {worker}"),
                ..run.clone()
            };
            async move { (self.commit(&run, expected, &[]).await, run) }
        });
        let mut made = Vec::new();
        for (committed, run) in join_all(workers).await {
            match committed {
                Committed::Applied => made.push(run),
                Committed::Conflict(Some(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(made.len(), 1, "of {WORKERS} workers one makes its write");
        assert_eq!(self.journal.load(&run.id).await.unwrap(), made.pop());
    }

    async fn of_many_workers_one_begins_a_run(&self) {
        self.one_of_many(&self.run("begin-8"), Expected::Absent)
            .await;
    }

    async fn of_many_workers_one_takes_a_run_over(&self) {
        let begun = self.begin("take-over-8").await;
        let taken_over = Run {
            epoch: 2,
            sequence: 2,
            ..begun.clone()
        };
        self.one_of_many(&taken_over, Expected::At(Fence::of(&begun)))
            .await;
    }

    async fn runs_are_listed_page_by_page(&self) {
        for number in 0..7 {
            let state = if number % 2 == 0 {
                RunState::Failed
            } else {
                RunState::Invoking
            };
            let run = Run {
                state,
                ..self.run(&format!("list-{number}"))
            };
            self.applied(&run, Expected::Absent).await;
        }
        let mut query = RunQuery {
            workflow: Some("conformance".to_owned()),
            state: Some(RunState::Failed),
            limit: 2,
            after: None,
        };
        let mut listed = Vec::new();
        loop {
            let page = self.journal.list(&query).await.unwrap();
            assert!(page.runs.len() <= query.limit);
            listed.extend(page.runs.into_iter().map(|run| run.id));
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        let ours = format!("{}:", self.prefix);
        listed.retain(|id| id.as_str().starts_with(&ours));
        listed.sort();
        let expected = [0, 2, 4, 6].map(|number| RunId::new(format!("{ours}list-{number}")));
        assert_eq!(listed, expected, "each once, and no others");
    }

    async fn a_record_of_the_largest_size_is_kept(&self) {
        let mut run = self.run("large");
        // Where there is no limit, a megabyte has to do.
        let most = self.journal.max_size().min(1_000_000);
        let room = most - self.journal.size(&run);
        run.output = Some(Json::of(&"x".repeat(room - 100)).unwrap());
        assert!(self.journal.size(&run) <= most);
        self.applied(&run, Expected::Absent).await;
        assert_eq!(self.journal.load(&run.id).await.unwrap(), Some(run));
    }
}
