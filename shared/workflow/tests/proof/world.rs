//! What workflows act on in the proof: the other side, which knows requests by their idempotency keys, and a journal that
//! can be cut.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::FutureExt;
use workflow::{
    Call, Committed, Expected, Fence, Journal, JournalError, MemoryJournal, Run, RunId, StepError,
};

use crate::sim::{Cut, Machine};

#[derive(Debug, Default)]
struct Records {
    /// The effects that stand: the key under which each was made, and its name.
    effects: BTreeMap<String, String>,
    /// The request under each key that was ever seen, and its answer where that is stored.
    keys: BTreeMap<String, (String, Option<Result<(), StepError>>)>,
    violations: Vec<String>,
}

/// The world: shared by all workers, and outlives them.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) machine: Machine,
    records: Arc<Mutex<Records>>,
    /// Effects that are always refused, and whether they act all the same.
    pub(crate) refused: BTreeMap<String, bool>,
    /// Effects whose compensation is always refused.
    pub(crate) stuck: BTreeSet<String>,
    /// Whether failures are stored under their key, as Stripe does, and so answered again.
    pub(crate) stores_failures: bool,
    /// Whether a compensation undoes what has the effect's name, whatever its key.
    pub(crate) undoes_by_name: bool,
}

impl World {
    pub(crate) fn new(machine: Machine) -> Self {
        Self {
            machine,
            records: Arc::default(),
            refused: BTreeMap::new(),
            stuck: BTreeSet::new(),
            stores_failures: false,
            undoes_by_name: false,
        }
    }

    /// What stands, and how often. More than once is an effect too many.
    pub(crate) fn standing(&self) -> BTreeMap<String, u32> {
        let mut standing = BTreeMap::new();
        for name in self.records.lock().unwrap().effects.values() {
            *standing.entry(name.clone()).or_default() += 1;
        }
        standing
    }

    /// Keys that were used for two different requests.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.records.lock().unwrap().violations.clone()
    }

    pub(crate) async fn act(&self, name: &str, call: &Call) -> Result<(), StepError> {
        let always = self.refused.get(name).map(|acts| match acts {
            true => Cut::RefuseAfter,
            false => Cut::RefuseBefore,
        });
        let (key, name) = (call.idempotency_key.clone(), name.to_owned());
        self.request(call, always, format!("act {name}"), move |effects| {
            effects.insert(key, name);
        })
        .await
    }

    pub(crate) async fn undo(&self, name: &str, call: &Call) -> Result<(), StepError> {
        let always = self.stuck.contains(name).then_some(Cut::RefuseBefore);
        let (keys, by_name) = (call.invocation_keys.clone(), self.undoes_by_name);
        let (request, name) = (format!("undo {name} {keys:?}"), name.to_owned());
        self.request(call, always, request, move |effects| {
            effects.retain(|key, effect| {
                let is_meant = if by_name {
                    *effect == name
                } else {
                    keys.contains(key)
                };
                !is_meant
            });
        })
        .await
    }

    async fn request(
        &self,
        call: &Call,
        always: Option<Cut>,
        request: String,
        apply: impl FnOnce(&mut BTreeMap<String, String>) + Send + 'static,
    ) -> Result<(), StepError> {
        let (records, stores_failures) = (Arc::clone(&self.records), self.stores_failures);
        let key = call.idempotency_key.clone();
        let serve = move |cut: Option<Cut>| {
            let mut records = records.lock().unwrap();
            if let Some((before, stored)) = records.keys.get(&key).cloned() {
                if before != request {
                    let violation = format!("{key} is {before}, and {request}");
                    records.violations.push(violation);
                }
                if let Some(stored) = stored {
                    return stored;
                }
            }
            let refused = Err(StepError::permanent("refused"));
            let answer = match cut.or(always) {
                Some(Cut::Busy) => Err(StepError::transient("busy")),
                Some(Cut::RefuseBefore) => refused,
                Some(Cut::RefuseAfter) => {
                    apply(&mut records.effects);
                    refused
                }
                _ => {
                    apply(&mut records.effects);
                    Ok(())
                }
            };
            let has_acted = answer.is_ok() || cut.or(always) == Some(Cut::RefuseAfter);
            let stored = (has_acted || stores_failures).then(|| answer.clone());
            records.keys.insert(key, (request, stored));
            answer
        };
        let answer = self.machine.operate(Some(call.deadline), serve).await;
        answer.unwrap_or_else(|| Err(StepError::unanswered("no answer")))
    }
}

/// A journal in memory whose writes are operations of the machine.
pub(crate) struct CutJournal {
    pub(crate) inner: Arc<MemoryJournal>,
    machine: Machine,
    /// How large a record may be.
    pub(crate) max_size: usize,
    /// Whether the record of a run that is over counts as dropped.
    pub(crate) drops: bool,
}

impl CutJournal {
    pub(crate) fn new(machine: &Machine) -> Self {
        Self {
            inner: Arc::default(),
            machine: machine.clone(),
            max_size: usize::MAX,
            drops: false,
        }
    }
}

/// What the journal in memory answers; it does so at once.
pub(crate) fn at_once<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("an answer at once")
}

#[async_trait]
impl Journal for CutJournal {
    async fn load(&self, id: &RunId) -> Result<Option<Run>, JournalError> {
        let found = self.inner.load(id).await?;
        Ok(found.filter(|run| !self.drops || !run.state.is_over()))
    }

    async fn commit(&self, run: &Run, mut expected: Expected) -> Result<Committed, JournalError> {
        let (inner, run, drops) = (Arc::clone(&self.inner), run.clone(), self.drops);
        let commit = move |_| {
            let found = at_once(inner.load(&run.id))?;
            if let Some(over) = found.filter(|found| drops && found.state.is_over())
                && expected == Expected::Absent
            {
                expected = Expected::At(Fence::of(&over));
            }
            match at_once(inner.commit(&run, expected)) {
                Ok(Committed::Conflict(Some(found))) if drops && found.state.is_over() => {
                    Ok(Committed::Conflict(None))
                }
                committed => committed,
            }
        };
        let committed = self.machine.operate(None, commit).await;
        committed.unwrap_or_else(|| Err(JournalError::unavailable(io::Error::other("cut"))))
    }

    fn max_size(&self) -> usize {
        self.max_size
    }
}
