//! What workflows act on in the proof: a world of effects, which remembers idempotency keys as a good CMS does, and a
//! journal that can be cut.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use workflow::{
    Application, Committed, Expected, Journal, JournalError, MemoryJournal, Run, RunId, RunPage,
    RunQuery, StepError, Timestamp,
};

use crate::sim::{Machine, Reply};

#[derive(Debug, Default)]
struct Effects {
    /// How often each effect stands. More than once is an effect too many.
    standing: BTreeMap<String, u32>,
    /// The keys under which something was done. The same key does nothing again, whatever happened since.
    keys: BTreeSet<String>,
    signs: BTreeSet<String>,
}

/// The world: shared by all workers, and outlives them.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) machine: Machine,
    effects: Arc<Mutex<Effects>>,
    /// Effects that are always refused, and whether they act all the same.
    pub(crate) refused: BTreeMap<String, bool>,
    /// Effects whose compensation is always refused.
    pub(crate) stuck: BTreeSet<String>,
}

impl World {
    pub(crate) fn new(machine: Machine) -> Self {
        Self {
            machine,
            effects: Arc::default(),
            refused: BTreeMap::new(),
            stuck: BTreeSet::new(),
        }
    }

    /// What stands, and how often.
    pub(crate) fn standing(&self) -> BTreeMap<String, u32> {
        let effects = self.effects.lock().unwrap();
        effects
            .standing
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(name, count)| (name.clone(), *count))
            .collect()
    }

    fn stand(&self, name: &str, key: &str) {
        let mut effects = self.effects.lock().unwrap();
        if effects.keys.insert(key.to_owned()) {
            *effects.standing.entry(name.to_owned()).or_default() += 1;
        }
    }

    pub(crate) async fn act(&self, name: &str, key: &str) -> Result<(), StepError> {
        match self.refused.get(name) {
            Some(true) => self.stand(name, key),
            Some(false) => {}
            None => return reply(self.machine.operate(true, || self.stand(name, key)).await.1),
        }
        Err(StepError::permanent("refused, as always"))
    }

    pub(crate) async fn undo(&self, name: &str, key: &str) -> Result<(), StepError> {
        if self.stuck.contains(name) {
            return Err(StepError::permanent("stuck, as always"));
        }
        let undo = || {
            let mut effects = self.effects.lock().unwrap();
            // A key that was used undoes nothing again: it may stand anew by then.
            if effects.keys.insert(key.to_owned()) {
                effects.standing.remove(name);
            }
        };
        reply(self.machine.operate(true, undo).await.1)
    }

    /// Makes the writes that steps handed over: each sets a mark, which must not be set before. Those that begin with `!`
    /// set a sign, and those that begin with `?` take it away, if it is set.
    pub(crate) fn transact(&self, writes: &[String]) -> Result<(), (usize, String)> {
        let mut effects = self.effects.lock().unwrap();
        let is_refused = |name: &String| {
            let unset = name
                .strip_prefix('?')
                .is_some_and(|sign| !effects.signs.contains(sign));
            unset || self.refused.contains_key(name)
        };
        if let Some(refused) = writes.iter().position(is_refused) {
            return Err((refused, "refused, as always".to_owned()));
        }
        for name in writes {
            if let Some(sign) = name.strip_prefix('!') {
                effects.signs.insert(sign.to_owned());
            } else if let Some(sign) = name.strip_prefix('?') {
                effects.signs.remove(sign);
            } else {
                *effects.standing.entry(name.clone()).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Whether a sign is set.
    pub(crate) fn is_signed(&self, sign: &str) -> bool {
        self.effects.lock().unwrap().signs.contains(sign)
    }
}

fn reply(reply: Reply) -> Result<(), StepError> {
    match reply {
        Reply::Fine => Ok(()),
        Reply::Lost => Err(StepError::transient("the reply was lost")),
        Reply::Refused => Err(StepError::permanent("refused, as planned")),
    }
}

impl Application for World {
    /// The name of a mark.
    type Write = String;
}

/// A journal in memory whose writes are operations of the machine.
pub(crate) struct CutJournal {
    pub(crate) inner: MemoryJournal<String>,
    machine: Machine,
    /// How large a record may be.
    pub(crate) max_size: usize,
}

impl CutJournal {
    pub(crate) fn new(world: &World) -> Self {
        let written_to = world.clone();
        let inner = MemoryJournal::new(move |writes: &[String]| written_to.transact(writes));
        Self {
            inner,
            machine: world.machine.clone(),
            max_size: usize::MAX,
        }
    }
}

#[async_trait]
impl Journal<String> for CutJournal {
    async fn commit(
        &self,
        run: &Run,
        expected: Expected,
        writes: &[String],
    ) -> Result<Committed, JournalError> {
        let commit = || {
            // The journal in memory answers at once.
            futures::FutureExt::now_or_never(self.inner.commit(run, expected, writes)).unwrap()
        };
        match self.machine.operate(false, commit).await {
            (Some(committed), Reply::Fine) => committed,
            _ => Err(JournalError::unavailable(std::io::Error::other("cut"))),
        }
    }

    async fn load(&self, id: &RunId) -> Result<Option<Run>, JournalError> {
        Journal::<String>::load(&self.inner, id).await
    }

    async fn request_cancel(&self, id: &RunId, at: Timestamp) -> Result<Option<Run>, JournalError> {
        Journal::<String>::request_cancel(&self.inner, id, at).await
    }

    async fn list(&self, query: &RunQuery) -> Result<RunPage, JournalError> {
        Journal::<String>::list(&self.inner, query).await
    }
    fn max_size(&self) -> usize {
        self.max_size
    }
}
