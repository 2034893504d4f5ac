//! What a subscriber to brands is.

use std::sync::Arc;

use brand::{Brand, BrandEvent, BrandRow};
use circuit::ProbeToken;
use futures::future::BoxFuture;
use journal::{Participant, Projection, SyncInput};
use workflow::{Engine, EngineError, Outcome, RunId, Timestamp};

/// A subscriber: it brings its target to what a brand's row says, by a workflow of its own. Each has its own record in the row,
/// its own waits and its own mark, so that one that is refused does not hold up another.
pub trait Subscriber: Send + Sync {
    /// Its name, in the row.
    fn name(&self) -> &'static str;

    /// The events that it wants to hear of.
    fn events(&self) -> &'static [BrandEvent];

    /// Its workflow's name.
    fn workflow(&self) -> &'static str;

    /// The version of its workflow's code.
    fn workflow_version(&self) -> u32;

    /// What its runs leave behind.
    fn projection(&self) -> Arc<dyn Projection>;

    /// Asks whether a run may begin, and waits for that as long as a limit of its target takes, but not beyond `latest`. A run
    /// that is admitted has its first call reserved.
    fn admit<'a>(
        &'a self,
        probe: Option<&'a ProbeToken>,
        latest: Option<Timestamp>,
    ) -> BoxFuture<'a, Admission>;

    /// Runs its workflow, or goes on with it, once it has been admitted.
    fn run<'a>(&'a self, work: Work<'a>) -> BoxFuture<'a, Result<Outcome<()>, EngineError>>;

    /// Calls its target once, without changing anything there, to see whether it is back. Does nothing where the probe has a
    /// verdict already.
    fn probe<'a>(&'a self, token: &'a ProbeToken) -> BoxFuture<'a, ()>;
}

/// Whether a run may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may, now.
    Granted,
    /// The target is away.
    CircuitOpen,
    /// The rate limit of the target leaves no call for it in time.
    Paced,
}

/// What a subscriber works on.
pub struct Work<'a> {
    /// The engine, on the journal of this subscriber's run.
    pub engine: Engine,
    /// The run.
    pub run: RunId,
    /// The row, as it was read.
    pub row: &'a BrandRow,
    /// The workflow's input.
    pub input: SyncInput,
    /// When the invocation ends.
    pub deadline: Option<Timestamp>,
    /// The probe's token, if this run is a probe.
    pub probe: Option<&'a ProbeToken>,
}

impl dyn Subscriber {
    /// How it takes part in a visit.
    pub(crate) fn participant(&self) -> Participant {
        Participant {
            name: self.name(),
            workflow_version: self.workflow_version(),
            projection: self.projection(),
        }
    }

    /// Whether it has work to do on that row: something that it wants to hear of has happened since the version that it has
    /// reached, and no mark keeps it from that.
    pub(crate) fn has_work(&self, row: &BrandRow) -> bool {
        let state = row.subscriber(self.name());
        let happened = |event: &BrandEvent| has_happened(*event, &row.brand, state.reached);
        state.mark_of(row.brand.version).is_none() && self.events().iter().any(happened)
    }
}

/// Whether the event has happened to the brand since that version.
fn has_happened(event: BrandEvent, brand: &Brand, reached: u32) -> bool {
    let is_deleted = brand.deleted_at.is_some();
    match event {
        BrandEvent::Created => reached < Brand::FIRST_VERSION,
        BrandEvent::Updated => {
            let last_update = brand.version - u32::from(is_deleted);
            last_update > reached.max(Brand::FIRST_VERSION)
        }
        BrandEvent::Deleted => is_deleted && reached < brand.version,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use brand::{Brand, BrandEvent::*, BrandName, Timestamp};

    use super::has_happened;

    #[test]
    fn events_are_those_since_the_version_that_was_reached() {
        let now = Timestamp::from_millis(0);
        let brand = |version, deleted_at| Brand {
            version,
            deleted_at,
            ..Brand::new(BrandName::parse("Acme").unwrap(), now)
        };
        let events = |brand: &Brand, reached| {
            [Created, Updated, Deleted].map(|event| has_happened(event, brand, reached))
        };
        assert_eq!(events(&brand(1, None), 0), [true, false, false]);
        assert_eq!(events(&brand(1, None), 1), [false, false, false]);
        assert_eq!(events(&brand(2, None), 0), [true, true, false]);
        assert_eq!(events(&brand(2, None), 1), [false, true, false]);
        assert_eq!(events(&brand(2, Some(now)), 0), [true, false, true]);
        assert_eq!(events(&brand(2, Some(now)), 1), [false, false, true]);
        assert_eq!(events(&brand(3, Some(now)), 1), [false, true, true]);
        assert_eq!(events(&brand(3, Some(now)), 3), [false, false, false]);
    }
}
