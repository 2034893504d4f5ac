//! A simulated CMS: slow, away, unclear in its answers, acting late; it refuses, and it keeps failures by their keys.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use cms::{Cms, CmsBrand, CmsEntry, CmsError, CmsPage, EntryRef, UnlinkedPage};
use futures::future::select;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    entries::{Act, Changed, Entries, Request},
    invariants,
    plan::{Away, Compares, Fault},
    world::World,
};

/// How long a worker waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than anybody waits.
const NEVER: Duration = Duration::from_hours(1);
/// The span that its limit is about, and the `Retry-After` of a request beyond the limit.
const SECOND: Duration = Duration::from_secs(1);
/// Names that begin so are refused.
pub(crate) const REFUSED: &str = "Refused";

/// The CMS itself.
#[derive(Default)]
pub(crate) struct CmsServer(Mutex<State>);

#[derive(Default)]
struct State {
    entries: Entries,
    /// What each key was used for, and what was answered for good.
    keys: BTreeMap<String, (Request, Option<Answer>)>,
    /// The entry as a key's request left it.
    left: BTreeMap<String, CmsEntry>,
    in_flight: Vec<InFlight>,
    /// The attempts of runs that have had a refusal.
    refused_attempts: BTreeSet<String>,
    refused_brands: BTreeSet<String>,
    /// The brands of which a worker has read what an editor had written.
    seen_edited: BTreeSet<String>,
    calls: usize,
    undone: usize,
    /// When the requests within the limit came, of the last second.
    taken: VecDeque<Instant>,
    refused_by_limit: usize,
}

/// A request that may still act.
struct InFlight {
    number: usize,
    id: String,
    key: String,
    worker: Arc<str>,
    /// Why it may overwrite what an editor has written, as it was when it was sent.
    excuse: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Done,
    Failed(u16),
    Limited,
    /// The request is one too many for the last second.
    BeyondLimit,
    Refused,
    /// The CMS holds another state than the request supposes.
    Conflict(u16),
    /// A page for maintenance.
    Page,
    Forbidden,
    Unauthorized,
    /// Nobody knows whether the request was carried out.
    Unclear(u16),
}

impl Answer {
    fn result(self, retry_after: Duration) -> Result<(), CmsError> {
        let source = || "simulated".into();
        Err(match self {
            Self::Done => return Ok(()),
            Self::Refused => CmsError::Refused {
                status: 422,
                message: "the name is refused".to_owned(),
            },
            Self::Conflict(status) => CmsError::Conflict {
                status,
                message: "it is otherwise".to_owned(),
            },
            Self::Page => CmsError::Unclear {
                status: 200,
                message: "<h1>Down for maintenance</h1>".to_owned(),
            },
            Self::Forbidden => CmsError::Forbidden {
                message: "the key does not permit it".to_owned(),
            },
            Self::Unauthorized => CmsError::Unauthorized {
                message: "the key has expired".to_owned(),
            },
            Self::Limited => CmsError::Unavailable {
                status: 429,
                retry_after: Some(retry_after),
            },
            Self::BeyondLimit => CmsError::Unavailable {
                status: 429,
                retry_after: Some(SECOND),
            },
            Self::Unclear(0) => CmsError::Unreachable { source: source() },
            Self::Unclear(1) => CmsError::TimedOut { source: source() },
            Self::Failed(status) | Self::Unclear(status) => CmsError::Unavailable {
                status,
                retry_after: None,
            },
        })
    }
}

/// When a request acts.
#[derive(Clone, Copy, Debug)]
enum Effect {
    Never,
    After(Duration),
    /// So long after its caller has given up.
    Late(Duration),
}

/// What becomes of a request.
struct Fate {
    effect: Effect,
    answer: Answer,
    answered_after: Duration,
    /// Whether the answer is kept under the key.
    is_kept: bool,
}

impl CmsServer {
    pub(crate) fn holds(&self, id: &str) -> Option<String> {
        self.with(|entries| entries.get(id).map(|entry| entry.name.clone()))
    }

    /// Looks at the entries, or changes them.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Entries) -> T) -> T {
        look(&mut self.0.lock().unwrap().entries)
    }

    fn entry(&self, id: &str) -> Option<CmsEntry> {
        self.with(|entries| entries.get(id).map(|entry| entry.of(id)))
    }

    /// An editor changes the entries.
    pub(crate) fn edit(&self, world: &World, act: &Act) -> Changed {
        let has_revisions = world.plan.cms_compares == Compares::Revisions;
        self.with(|entries| entries.edit(act, has_revisions))
    }

    /// How the request disagrees with what is held.
    fn conflict(&self, world: &World, request: &Request) -> Option<u16> {
        let conflict = self.with(|entries| entries.conflict(request))?;
        let is_overlooked = world.plan.cms_compares == Compares::Nothing && conflict == 412;
        (!is_overlooked).then_some(conflict)
    }

    pub(crate) fn is_in_flight(&self, id: &str) -> bool {
        let state = self.0.lock().unwrap();
        state.in_flight.iter().any(|request| request.id == id)
    }

    pub(crate) fn has_refused(&self, id: &str) -> bool {
        let state = self.0.lock().unwrap();
        state.refused_brands.contains(id) || state.seen_edited.contains(id)
    }

    pub(crate) fn brands(&self) -> Vec<String> {
        self.with(|entries| entries.brands())
    }

    /// How many calls came, and how many of them were compensations.
    #[cfg(test)]
    pub(crate) fn calls(&self) -> (usize, usize) {
        let state = self.0.lock().unwrap();
        (state.calls, state.undone)
    }

    /// How many calls were beyond the limit.
    #[cfg(test)]
    pub(crate) fn refused_by_limit(&self) -> usize {
        self.0.lock().unwrap().refused_by_limit
    }

    /// Whether as many requests as the limit were taken within the last second. If not, this one is taken.
    fn is_beyond_limit(&self, world: &World) -> bool {
        let Some(limit) = world.plan.cms_limit else {
            return false;
        };
        let (mut state, now) = (self.0.lock().unwrap(), Instant::now());
        while state.taken.front().is_some_and(|at| *at + SECOND <= now) {
            state.taken.pop_front();
        }
        let is_beyond = state.taken.len() >= limit;
        if is_beyond {
            state.refused_by_limit += 1;
            world.story.count(Fault::CmsBeyondLimit);
        } else {
            state.taken.push_back(now);
        }
        is_beyond
    }

    /// Carries a request out, unless the entry is another by now. Answers how it disagrees then.
    fn act(&self, world: &World, sent: (usize, &Request, &str), answer: Answer) -> Option<u16> {
        let (number, request, key) = sent;
        let excuse = self.land(number);
        if let Some((_, Some(Answer::Done))) = self.0.lock().unwrap().keys.get(key) {
            return None;
        }
        if let Some(status) = self.conflict(world, request) {
            world.story.count(Fault::CmsOverwriteAverted);
            world.tell("CMS", format_args!("is otherwise: {}", request.told(world)));
            self.note_conflict(request, key);
            if let Some((_, kept)) = self.0.lock().unwrap().keys.get_mut(key) {
                *kept = Some(Answer::Conflict(status));
            }
            return Some(status);
        }
        let has_revisions = world.plan.cms_compares == Compares::Revisions;
        let doubles = request.verb == "create"
            && self.with(|entries| {
                let of_entries = entries.unlinked_brands();
                of_entries
                    .iter()
                    .any(|(id, _)| id.to_string() == request.id)
            });
        let changed = {
            let mut state = self.0.lock().unwrap();
            let changed = state.entries.carry_out(request, has_revisions);
            if let Some((_, kept)) = state.keys.get_mut(key) {
                *kept = Some(answer);
            }
            if let Some(entry) = state.entries.get(&request.id) {
                let entry = entry.of(&request.id);
                state.left.insert(key.to_owned(), entry);
            }
            changed
        };
        world.tell("CMS", format_args!("carries out: {}", request.told(world)));
        if doubles {
            let brand = world.of(&request.id);
            world.break_promise(format_args!("a second entry is made of {brand}"));
        }
        if let Some(name) = changed.overwritten {
            let brand = world.of(&request.id);
            match excuse {
                Some(excuse) => world.tell("CMS", format_args!("loses {name:?}: {excuse}")),
                None => world.break_promise(format_args!(
                    "an editor named the entry of {brand} {name:?}, and that is lost"
                )),
            }
        }
        invariants::cms_changed(world, &request.id);
        None
    }

    /// A request that an editor was faster than is refused for good.
    fn note_conflict(&self, request: &Request, key: &str) {
        let mut state = self.0.lock().unwrap();
        if request.verb == "link" || state.entries.is_touched(&request.id) {
            state.refused_attempts.insert(attempt_of(key).to_owned());
            state.refused_brands.insert(request.id.clone());
        }
    }
}

impl Request {
    /// Whether both ask for the same. Whether the CMS's own id is known makes no difference.
    fn is_as(&self, other: &Self) -> bool {
        let of = |request: &Self| Self {
            known: EntryRef {
                id: None,
                ..request.known.clone()
            },
            ..request.clone()
        };
        of(self) == of(other)
    }

    fn told(&self, world: &World) -> String {
        let name = self.name.as_deref().unwrap_or_default();
        format!("{} {} {name}", self.verb, world.of(&self.id))
    }
}

/// The CMS, as one worker reaches it.
#[derive(Clone)]
pub(crate) struct CmsClient {
    pub(crate) world: Arc<World>,
    pub(crate) worker: Arc<str>,
    /// When the worker's invocation makes its last attempt.
    pub(crate) last_moment: Arc<Mutex<Instant>>,
}

impl CmsClient {
    async fn change(&self, request: Request, key: &str) -> Result<Option<CmsEntry>, CmsError> {
        let world = &self.world;
        let number = self.check(&request, key);
        let Fate {
            effect,
            answer,
            answered_after,
            is_kept,
        } = self.fate(&request, key);
        let told = request.told(world);
        let who = &self.worker;
        world.tell(
            who,
            format_args!("asks the CMS: {told}; {answer:?}, acts {effect:?}"),
        );
        let kept = if is_kept { answer } else { Answer::Done };
        if is_kept && let Some((_, kept)) = self.state().keys.get_mut(key) {
            kept.get_or_insert(answer);
        }
        let last_moment = (*self.last_moment.lock().unwrap()).min(Instant::now() + TIMEOUT);
        let (caller, given_up) = oneshot::channel::<()>();
        let (server, sent) = (Arc::clone(world), key.to_owned());
        let (conflicts, mut conflict) = oneshot::channel();
        let acts = async move {
            match effect {
                Effect::Never => {
                    server.cms.land(number);
                    return;
                }
                Effect::After(delay) => sleep(delay).await,
                Effect::Late(delay) => {
                    select(given_up, std::pin::pin!(sleep_until(last_moment))).await;
                    sleep(delay).await;
                }
            }
            let conflict = server.cms.act(&server, (number, &request, &sent), kept);
            let _ = conflicts.send(conflict);
        };
        match effect {
            Effect::Never => acts.await,
            _ => drop(tokio::spawn(acts)),
        }
        sleep(answered_after).await;
        drop(caller);
        let answer = match conflict.try_recv() {
            Ok(Some(status)) if answer == Answer::Done => Answer::Conflict(status),
            _ => answer,
        };
        answer.result(world.chance.millis(1_000..60_000))?;
        Ok(self.state().left.get(key).cloned())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.world.cms.0.lock().unwrap()
    }

    /// Takes note of a request, and of the promises that it may break.
    fn check(&self, request: &Request, key: &str) -> usize {
        let (world, who) = (&self.world, &self.worker);
        let excuse = invariants::excuse(world, &request.id);
        let mut broken = Vec::new();
        let mut state = self.state();
        state.calls += 1;
        if excuse.is_some() {
            state.entries.doubt(&request.id);
        }
        for other in state
            .in_flight
            .iter()
            .filter(|other| other.id == request.id)
        {
            if other.worker != *who {
                broken.push(format!("{who} and {} call the CMS at once", other.worker));
            } else if other.key != key {
                broken.push(format!("{who} makes another call while one may still act"));
            }
        }
        let known = state.keys.entry(key.to_owned());
        let (before, _) = known.or_insert_with(|| (request.clone(), None));
        if !before.is_as(request) {
            broken.push(format!("key {key} means {before:?} and {request:?}"));
        }
        if key.contains("/undo-") {
            state.undone += 1;
            let is_refused = state.refused_attempts.contains(attempt_of(key));
            if !is_refused && !state.seen_edited.contains(&request.id) {
                broken.push(format!("{who} undoes what was not refused"));
            }
        }
        let number = state.calls;
        state.in_flight.push(InFlight {
            number,
            id: request.id.clone(),
            key: key.to_owned(),
            worker: Arc::clone(who),
            excuse,
        });
        drop(state);
        for what in broken {
            world.break_promise(what);
        }
        number
    }

    fn note_refusal(&self, request: &Request, key: &str) {
        let mut state = self.state();
        state.refused_attempts.insert(attempt_of(key).to_owned());
        state.refused_brands.insert(request.id.clone());
    }

    fn away(&self) -> Option<Away> {
        let world = &self.world;
        let mut spans = world.plan.cms_away.iter();
        let (_, away) = spans.find(|(span, _)| world.is_within(span))?;
        world.story.count(Fault::CmsAway);
        Some(*away)
    }

    /// The answer of a CMS that is there and does not do it, and whether the answer is kept under its key.
    fn refusal(&self, request: &Request, key: &str) -> Option<(Answer, bool)> {
        let (world, chance) = (&self.world, &self.world.chance);
        if world.strikes(Fault::CmsPage) {
            return Some((Answer::Page, false));
        }
        if world.strikes(Fault::CmsEdited) {
            world.cms.with(|entries| entries.touch(&request.id));
        }
        if let Some(status) = world.cms.conflict(world, request) {
            world.story.count(Fault::CmsConflict);
            world.cms.note_conflict(request, key);
            // Payload answers so that an id is taken.
            let answer = if status == 409 && chance.permille(300) {
                Answer::Failed(500)
            } else {
                Answer::Conflict(status)
            };
            return Some((answer, true));
        }
        let is_taken = request.verb != "delete" && world.strikes(Fault::CmsNameTaken);
        let is_forbidden = world.strikes(Fault::CmsForbidden);
        if is_taken || is_forbidden {
            self.note_refusal(request, key);
            let answer = if is_taken {
                Answer::Conflict(409)
            } else {
                Answer::Forbidden
            };
            return Some((answer, is_taken));
        }
        let is_named_so = request
            .name
            .as_ref()
            .is_some_and(|name| name.starts_with(REFUSED));
        let is_undo = key.contains("/undo-");
        if is_named_so
            || world.strikes(Fault::CmsRefused)
            || is_undo && world.strikes(Fault::CmsRefusedUndo)
        {
            self.note_refusal(request, key);
            return Some((Answer::Refused, true));
        }
        None
    }

    fn fate(&self, request: &Request, key: &str) -> Fate {
        let (world, chance) = (&self.world, &self.world.chance);
        let soon = chance.millis(10..100);
        let answered = |answer, is_kept| Fate {
            effect: Effect::Never,
            answer,
            answered_after: soon,
            is_kept,
        };
        match self.away() {
            Some(Away::Unreachable) => return answered(Answer::Unclear(0), false),
            Some(Away::Unavailable | Away::ReadOnly) => {
                return answered(Answer::Failed(503), false);
            }
            Some(Away::Unauthorized) => return answered(Answer::Unauthorized, false),
            Some(Away::Failing) => return answered(Answer::Failed(500), true),
            Some(Away::Page) => return answered(Answer::Page, false),
            Some(Away::Hanging) => {
                return Fate {
                    answered_after: NEVER,
                    ..answered(Answer::Unclear(1), false)
                };
            }
            None => {}
        }
        if world.cms.is_beyond_limit(world) {
            return answered(Answer::BeyondLimit, false);
        }
        let kept = self.state().keys.get(key).and_then(|(_, kept)| *kept);
        if let Some(answer) = kept {
            if answer != Answer::Done {
                world.story.count(Fault::CmsFailureReplayed);
            }
            return answered(answer, false);
        }
        if let Some((answer, is_kept)) = self.refusal(request, key) {
            return answered(answer, is_kept);
        }
        let unclear = Answer::Unclear(chance.one_of(&[0, 1, 502, 504]));
        let late = u64::try_from(world.plan.late.as_millis()).unwrap();
        let late = chance.millis(0..late);
        let after_a_while = chance.millis(100..5_500);
        if world.strikes(Fault::CmsFailed) {
            return answered(Answer::Failed(chance.one_of(&[500, 503])), true);
        }
        if world.strikes(Fault::CmsLimited) {
            return answered(Answer::Limited, false);
        }
        let fate = |effect, answer, answered_after| Fate {
            effect,
            answer,
            answered_after,
            is_kept: false,
        };
        if world.strikes(Fault::CmsFailedAfterActing) {
            return Fate {
                is_kept: true,
                ..fate(Effect::After(soon), Answer::Failed(500), soon * 2)
            };
        }
        if world.strikes(Fault::CmsRequestLost) {
            return fate(Effect::Never, unclear, after_a_while);
        }
        if world.strikes(Fault::CmsReplyLost) {
            return fate(Effect::After(soon), unclear, after_a_while);
        }
        if world.strikes(Fault::CmsLateEffect) {
            return fate(Effect::Late(late), unclear, after_a_while);
        }
        if world.strikes(Fault::CmsHung) {
            let effect = chance.one_of(&[Effect::Never, Effect::After(late), Effect::Late(late)]);
            return fate(effect, unclear, NEVER);
        }
        if world.strikes(Fault::CmsSlow) {
            return fate(Effect::After(soon.min(late)), Answer::Done, after_a_while);
        }
        fate(
            Effect::After(soon),
            Answer::Done,
            soon + chance.millis(5..20),
        )
    }
}

impl CmsServer {
    /// The request does not act any more. Answers its excuse.
    fn land(&self, number: usize) -> Option<&'static str> {
        let mut state = self.0.lock().unwrap();
        let place = state
            .in_flight
            .iter()
            .position(|request| request.number == number)?;
        state.in_flight.remove(place).excuse
    }
}

/// The attempt of a run that a key belongs to.
fn attempt_of(key: &str) -> &str {
    key.split('/').next().unwrap_or_default()
}

#[async_trait]
impl Cms for CmsClient {
    async fn get_brand(&self, id: &str) -> Result<Option<CmsEntry>, CmsError> {
        self.read(|cms| {
            let held = cms.entry(id);
            let told = held.as_ref().map_or("nothing", |entry| &entry.brand.name);
            let told = format!("{} in the CMS: {told}", self.world.of(id));
            let mut state = cms.0.lock().unwrap();
            if state.entries.is_touched(id) {
                state.seen_edited.insert(id.to_owned());
            }
            (held, told)
        })
        .await
    }

    async fn get_brands(&self, ids: &[String]) -> Result<Vec<CmsEntry>, CmsError> {
        self.read(|cms| {
            let held = ids.iter().filter_map(|id| cms.entry(id)).collect();
            (held, format!("{} brands in the CMS", ids.len()))
        })
        .await
    }

    async fn create_brand(&self, brand: &CmsBrand, key: &str) -> Result<CmsEntry, CmsError> {
        let unknown = EntryRef::default();
        self.write("create", brand, unknown, key).await
    }

    async fn update_brand(
        &self,
        brand: &CmsBrand,
        entry: &EntryRef,
        key: &str,
    ) -> Result<CmsEntry, CmsError> {
        self.write("update", brand, entry.clone(), key).await
    }

    async fn delete_brand(&self, id: &str, key: &str) -> Result<(), CmsError> {
        let request = Request {
            verb: "delete",
            id: id.to_owned(),
            name: None,
            known: EntryRef::default(),
        };
        self.change(request, key).await.map(drop)
    }

    async fn list_brands(&self, after: Option<&str>, _: u16) -> Result<CmsPage, CmsError> {
        self.read(|cms| {
            let (entries, next) = cms.with(|entries| entries.page(after));
            (CmsPage { entries, next }, "a page of the CMS".to_owned())
        })
        .await
    }

    async fn list_unlinked(&self, after: Option<&str>, _: u16) -> Result<UnlinkedPage, CmsError> {
        self.read(|cms| {
            let (entries, next) = cms.with(|entries| entries.unlinked_page(after));
            let told = "a page of entries without a brand".to_owned();
            (UnlinkedPage { entries, next }, told)
        })
        .await
    }

    async fn link_brand(
        &self,
        brand: &CmsBrand,
        entry: &EntryRef,
        key: &str,
    ) -> Result<CmsEntry, CmsError> {
        self.write("link", brand, entry.clone(), key).await
    }
}

impl CmsClient {
    async fn write(
        &self,
        verb: &'static str,
        brand: &CmsBrand,
        known: EntryRef,
        key: &str,
    ) -> Result<CmsEntry, CmsError> {
        let CmsBrand { id, name } = brand.clone();
        let request = Request {
            verb,
            id,
            name: Some(name),
            known,
        };
        let entry = self.change(request, key).await?;
        Ok(entry.unwrap_or_else(|| CmsEntry {
            brand: brand.clone(),
            entry: EntryRef::default(),
        }))
    }

    async fn read<T>(&self, look: impl FnOnce(&CmsServer) -> (T, String)) -> Result<T, CmsError> {
        let (world, who) = (&self.world, &self.worker);
        self.state().calls += 1;
        let answer = match self.away() {
            Some(Away::Hanging) => {
                sleep(NEVER).await;
                Answer::Unclear(1)
            }
            Some(Away::Unauthorized) => Answer::Unauthorized,
            Some(Away::ReadOnly) => Answer::Done,
            Some(_) => Answer::Failed(503),
            None if world.cms.is_beyond_limit(world) => Answer::BeyondLimit,
            None if world.strikes(Fault::CmsRequestLost) => Answer::Unclear(504),
            None => Answer::Done,
        };
        sleep(world.chance.millis(5..50)).await;
        let (found, told) = look(&world.cms);
        world.tell(who, format_args!("reads {told} ({answer:?})"));
        sleep(world.chance.millis(5..50)).await;
        answer.result(Duration::from_secs(1))?;
        Ok(found)
    }
}
