//! What befalls sync-brand's requests to the CMS.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use cms::CmsBrand;
use hyper::{Method, Request, body::Bytes};

use crate::{
    chaos::{Chaos, Odds, Phase},
    fault::Fault,
    plan::{Fate, Target},
    proxy::{Reply, Treat, Treatment},
};

const CMS: [Odds; 8] = [
    (Fault::CmsFails, 50),
    (Fault::CmsHangs, 15),
    (Fault::CmsActsAndFails, 50),
    (Fault::CmsActsAndHangs, 15),
    (Fault::CmsShowsPage, 25),
    (Fault::CmsActsAndShowsPage, 25),
    (Fault::CmsLosesReply, 50),
    (Fault::DiedCreating, 10),
];

const FAILS: Reply = Reply::Instead(500, r#"{"message":"injected"}"#);
const PAGE: Reply = Reply::Instead(200, "<html>Down for maintenance</html>");
const REFUSES: Reply = Reply::Instead(422, r#"{"message":"this brand is not wanted"}"#);

/// Tells what befalls a request.
pub(crate) struct CmsFaults {
    chaos: Arc<Chaos>,
    /// The ids of brands of which the CMS refuses the deletion.
    kept: Mutex<HashSet<String>>,
}

impl CmsFaults {
    pub(crate) fn new(chaos: Arc<Chaos>) -> Self {
        let kept = Mutex::default();
        Self { chaos, kept }
    }

    /// What the CMS refuses on its own account.
    fn refusal(&self, request: &Request<Bytes>) -> Option<(Fault, Treatment)> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if request.method() == Method::DELETE {
            let id = request.uri().path().rsplit('/').next()?;
            let refusal = Treatment::not_acting(REFUSES);
            return kept
                .contains(id)
                .then_some((Fault::CmsRefusesDeletion, refusal));
        }
        let brand: CmsBrand = serde_json::from_slice(request.body()).ok()?;
        match Fate::of_name(&brand.name) {
            Fate::Taken => None,
            Fate::Refused => Some((Fault::CmsRefuses, Treatment::not_acting(REFUSES))),
            Fate::RefusedAfterActing => {
                Some((Fault::CmsActsAndRefuses, Treatment::acting(REFUSES)))
            }
            Fate::Kept => {
                kept.insert(brand.id);
                Some((Fault::CmsActsAndRefuses, Treatment::acting(REFUSES)))
            }
        }
    }
}

impl Treat for CmsFaults {
    fn treat(&self, request: &Request<Bytes>) -> Treatment {
        let chaos = &self.chaos;
        if chaos.phase() == Phase::Healthy {
            return Treatment::PASS;
        }
        let Some(fault) = chaos.strike(Target::Cms, &CMS) else {
            let Some((fault, refusal)) = self.refusal(request) else {
                return Treatment::PASS;
            };
            chaos.injected.count(fault);
            return refusal;
        };
        match fault {
            Fault::CmsFails => Treatment::not_acting(FAILS),
            Fault::CmsHangs => Treatment::not_acting(Reply::Hangs),
            Fault::CmsActsAndFails => Treatment::acting(FAILS),
            Fault::CmsActsAndHangs => Treatment::acting(Reply::Hangs),
            Fault::CmsShowsPage => Treatment::not_acting(PAGE),
            Fault::CmsActsAndShowsPage => Treatment::acting(PAGE),
            Fault::CmsLosesReply => Treatment::acting(Reply::Nothing),
            _ => Treatment::acting(Reply::Killed("sync-brand")),
        }
    }

    async fn kill(&self, function: &'static str) {
        self.chaos.killer.kill_all(function).await;
    }
}
