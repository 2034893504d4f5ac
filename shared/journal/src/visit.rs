//! One worker's visit to a row.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use brand::{
    BrandRow, Lease, Schedule, StoreError, SubscriberState, SyncStore, SyncWrite, SyncWritten,
    Timestamp, WriteScope,
};
use tokio::sync::Mutex;
use workflow::{Committed, Environment, Expected, Fence, Journal, JournalError, Run, RunId};

use crate::state::{Projection, SyncInput, is_at_rest, moment, schedule, subscriber_state};

/// The most bytes of a run's record. DynamoDB takes 400 KB in a row; what else is in it is small.
const MAX_RECORD: usize = 300_000;
/// How often a write is made in another form because the row has changed meanwhile.
const ROUNDS: usize = 5;

/// A subscriber that takes part in a visit, since it has work to do for the row's version.
#[derive(Clone)]
pub struct Participant {
    /// The subscriber's name.
    pub name: &'static str,
    /// The version of its workflow's code. A record that other code has written is not gone on with.
    pub workflow_version: u32,
    /// What its runs leave behind.
    pub projection: Arc<dyn Projection>,
}

/// One worker's work on a row, for the version that its brand has when the visit begins.
pub struct Visit<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    store: S,
    environment: Arc<dyn Environment>,
    version: u32,
    /// This worker's token: no other visit ever has it.
    token: String,
    participants: Vec<Participant>,
    /// How many open runs the visit supersedes.
    superseded: usize,
    /// Whether the brand has changed since the visit began.
    changed: AtomicBool,
    state: Mutex<State>,
}

/// The row as this worker knows it. Held while a write is under way, so that the subscribers' writes follow each other.
struct State {
    row: BrandRow,
    /// The run of each subscriber, as its journal answered it last.
    runs: BTreeMap<&'static str, Run>,
    /// The subscribers that this visit has written something for.
    begun: BTreeSet<&'static str>,
}

impl<S: SyncStore + Clone + 'static> Visit<S> {
    /// A visit to that row by the worker with that token. Nothing is written before a run begins.
    ///
    /// A record about an older version, of other code, or that cannot be read is superseded: its run does not go on. What it
    /// may have done is unknown, so the next run reads the target first. The same goes for a record that a clock has
    /// written which was ahead: otherwise the run would stand still until then.
    pub fn new(
        (store, environment): (S, Arc<dyn Environment>),
        mut row: BrandRow,
        token: String,
        participants: Vec<Participant>,
    ) -> Self {
        let mut runs = BTreeMap::new();
        let mut superseded = 0;
        let now = environment.now();
        let is_leased = row.is_leased(moment(now));
        for participant in &participants {
            let Some(state) = row.subscribers.get_mut(participant.name) else {
                continue;
            };
            let Some(record) = state.run.take() else {
                continue;
            };
            let run = serde_json::from_str::<Run>(&record.record).ok();
            let is_about_it = record.version == row.brand.version;
            match run {
                Some(run)
                    if is_about_it
                        && (run.version == participant.workflow_version
                            // Reverting it takes none of its workflow's code but the compensations.
                            || run.cancel_requested_at.is_some())
                        && !is_ahead(&run, is_leased, now) =>
                {
                    state.run = Some(record);
                    runs.insert(participant.name, run);
                }
                run => {
                    superseded += 1;
                    state.in_doubt |= run.is_none_or(|run| run.may_have_acted());
                }
            }
        }
        let state = State {
            runs,
            begun: BTreeSet::new(),
            row,
        };
        Self {
            shared: Arc::new(Shared {
                store,
                environment,
                version: state.row.brand.version,
                token,
                participants,
                superseded,
                changed: AtomicBool::new(false),
                state: Mutex::new(state),
            }),
        }
    }

    /// What the subscriber's workflow is run with.
    pub async fn input(&self, name: &str) -> SyncInput {
        let state = self.shared.state.lock().await;
        let subscriber = state.row.subscribers.get(name);
        // A run that goes on keeps the input that it began with.
        let recorded = state.runs.get(name).and_then(|run| run.input.parse().ok());
        recorded.unwrap_or(SyncInput {
            version: self.shared.version,
            in_doubt: subscriber.is_some_and(|subscriber| subscriber.in_doubt),
        })
    }

    /// The journal of that subscriber's run.
    #[must_use]
    pub fn journal(&self, participant: &Participant) -> Arc<dyn Journal> {
        Arc::new(SubscriberJournal {
            participant: participant.clone(),
            shared: Arc::clone(&self.shared),
        })
    }

    /// How many open runs are superseded: they were about an older version, or of other code.
    #[must_use]
    pub fn superseded(&self) -> usize {
        self.shared.superseded
    }

    /// Whether the brand has changed since the visit began: its new version is still to be synced.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.shared.changed.load(Ordering::Relaxed)
    }
}

/// The journal of one subscriber's run.
struct SubscriberJournal<S> {
    participant: Participant,
    shared: Arc<Shared<S>>,
}

#[async_trait]
impl<S: SyncStore + 'static> Journal for SubscriberJournal<S> {
    fn max_size(&self) -> usize {
        MAX_RECORD
    }

    async fn load(&self, _: &RunId) -> Result<Option<Run>, JournalError> {
        let state = self.shared.state.lock().await;
        Ok(state.runs.get(self.participant.name).cloned())
    }

    async fn commit(&self, run: &Run, expected: Expected) -> Result<Committed, JournalError> {
        let mut state = self.shared.state.lock().await;
        let name = self.participant.name;
        let known = state.runs.get(name);
        let is_expected = match (known, &expected) {
            (None, Expected::Absent) => true,
            (Some(known), Expected::At(fence)) => Fence::of(known) == *fence,
            _ => false,
        };
        if !is_expected {
            return Ok(Committed::Conflict(known_run(&state, name)));
        }
        for _ in 0..ROUNDS {
            let write = self.write_of(&state, run)?;
            let refused = match self
                .shared
                .store
                .write(&write)
                .await
                .map_err(journal_error)?
            {
                SyncWritten::Applied => {
                    state.take(name, &write, run);
                    return Ok(Committed::Applied);
                }
                SyncWritten::Refused(refused) => refused,
            };
            let Some(found) = refused else {
                // The row is gone: nothing can be begun, and nothing is left to be recorded.
                return Ok(Committed::Conflict(None));
            };
            let is_new_version = found.brand.version != self.shared.version;
            if is_new_version {
                self.shared.changed.store(true, Ordering::Relaxed);
            }
            if !Lease::is_same_write(found.lease.as_ref(), state.row.lease.as_ref()) {
                if found.lease.as_ref().map(|lease| &lease.token) != Some(&self.shared.token) {
                    let run = run_of(&found, name);
                    state.adopt_cancellation(name, &found, run.as_ref());
                    return Ok(Committed::Conflict(run.map(Box::new)));
                }
                // Ours: an earlier write is made, and its reply was lost. Perhaps it is this very one.
                let state_now = found.subscriber(name);
                state.row.lease = found.lease;
                // It may have been another subscriber's, and the schedule follows from all of them.
                state.row.subscribers.extend(found.subscribers);
                if Some(&state_now) == write.subscribers.get(name) {
                    state.take(name, &write, run);
                    return Ok(Committed::Applied);
                }
            } else if is_new_version && !state.begun.contains(name) && !is_at_rest(run) {
                // Nothing may be begun for a version that is no longer there.
                return Ok(Committed::Conflict(known_run(&state, name)));
            }
        }
        Err(JournalError::unavailable(Contended))
    }
}

/// Whether the times in a record can only be those of a clock that was ahead. A run has no lease but the row's.
fn is_ahead(run: &Run, is_leased: bool, now: workflow::Timestamp) -> bool {
    let is_past = |at: Option<workflow::Timestamp>, limit| at.is_some_and(|at| at > limit);
    (!is_leased && is_past(run.lease_until, now))
        || is_past(run.resume_at, now.plus(Schedule::LONGEST_WAIT))
}

fn known_run(state: &State, name: &str) -> Option<Box<Run>> {
    state.runs.get(name).cloned().map(Box::new)
}

impl<S: SyncStore> SubscriberJournal<S> {
    /// The write that records `run`.
    fn write_of(&self, state: &State, run: &Run) -> Result<SyncWrite, JournalError> {
        let (name, version) = (self.participant.name, self.shared.version);
        let before = state.row.subscriber(name);
        let now = moment(self.shared.environment.now());
        let projection = &*self.participant.projection;
        let after = subscriber_state(before, run, (version, now), projection);
        let after = after.map_err(JournalError::refused)?;
        let until = self.lease_until(state, run);
        let lease = Lease::following(state.row.lease.as_ref(), &self.shared.token, until);
        let scope = if self.shared.changed.load(Ordering::Relaxed) {
            WriteScope::AnyVersion
        } else if is_at_rest(run) {
            let mut row = state.row.clone();
            row.subscribers.insert(name.to_owned(), after.clone());
            let pending = self.shared.participants.iter().map(|participant| {
                let of_it = if participant.name == name {
                    Some(run)
                } else {
                    state.runs.get(participant.name)
                };
                let resume_at = of_it.and_then(|run| run.resume_at).map(moment);
                (participant.name, resume_at)
            });
            WriteScope::Schedule(version, schedule(&row, pending, now))
        } else if state.begun.contains(name) {
            WriteScope::AnyVersion
        } else {
            WriteScope::Version(version)
        };
        Ok(SyncWrite {
            id: state.row.brand.id,
            seen: state.row.lease.clone(),
            lease,
            subscribers: BTreeMap::from([(name.to_owned(), after)]),
            scope,
        })
    }

    /// Until when the row is leased: as long as any run of this visit wants it.
    fn lease_until(&self, state: &State, run: &Run) -> Option<Timestamp> {
        let name = self.participant.name;
        let others = state.runs.iter().filter(|(other, _)| **other != name);
        let leases = others.filter_map(|(other, run)| {
            let is_ours = state.begun.contains(other);
            run.lease_until.filter(|_| is_ours)
        });
        leases.chain(run.lease_until).max().map(moment)
    }
}

impl State {
    /// Another worker has asked for this run to be cancelled: its write names this run's owner, which keeps the lease.
    fn adopt_cancellation(&mut self, name: &'static str, found: &BrandRow, run: Option<&Run>) {
        let known = self.runs.get(name);
        let is_ours = |run: &&Run| {
            run.cancel_requested_at.is_some() && known.is_some_and(|known| known.owner == run.owner)
        };
        if let Some(run) = run.filter(is_ours) {
            self.row.lease.clone_from(&found.lease);
            self.row
                .subscribers
                .insert(name.to_owned(), found.subscriber(name));
            self.runs.insert(name, run.clone());
        }
    }

    /// The write is made.
    fn take(&mut self, name: &'static str, write: &SyncWrite, run: &Run) {
        self.row.lease = Some(write.lease.clone());
        self.row.subscribers.extend(write.subscribers.clone());
        if let WriteScope::Schedule(_, schedule) = write.scope {
            self.row.due_at = schedule.due_at;
        }
        self.runs.insert(name, run.clone());
        self.begun.insert(name);
    }
}

fn run_of(row: &BrandRow, name: &str) -> Option<Run> {
    let SubscriberState { run, .. } = row.subscriber(name);
    serde_json::from_str(&run?.record).ok()
}

fn journal_error(error: StoreError) -> JournalError {
    if error.is_transient() {
        JournalError::unavailable(error)
    } else {
        JournalError::refused(error)
    }
}

/// The row kept changing while a run was being recorded.
#[derive(Debug)]
struct Contended;

impl fmt::Display for Contended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the row kept changing")
    }
}

impl Error for Contended {}
