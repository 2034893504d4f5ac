//! A reconciliation, for a person: in the API, and on the command line.

use brand::CMS_SUBSCRIBER;
use serde::Serialize;

use crate::{Inbox, Reconciliation, ReconciliationError, ReconciliationStore, Report, Request};

/// How it stands with the reconciliation, in the API's words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReconciliationView {
    /// `never`, `asked`, `under_way`, `done` or `stopped`.
    pub state: &'static str,
    /// What was asked for and has not begun.
    pub asked: Option<Request>,
    /// Whether it mends; otherwise it looks.
    pub mends: bool,
    /// What it goes through, while it is under way.
    pub stage: Option<&'static str>,
    /// How many differences are left.
    pub drift: u64,
    /// The report of the one that is under way, or of the last one.
    pub report: Option<Report>,
}

impl ReconciliationView {
    /// Of what is kept, and of what was asked for.
    #[must_use]
    pub fn new(kept: Reconciliation, asked: Option<Request>) -> Self {
        let Reconciliation { report, cursor, .. } = kept;
        let state = match &report {
            _ if cursor.is_some() => "under_way",
            _ if asked.is_some() => "asked",
            Some(report) if report.stopped.is_some() => "stopped",
            Some(_) => "done",
            None => "never",
        };
        Self {
            state,
            asked,
            mends: cursor.as_ref().is_some_and(|cursor| cursor.mends),
            stage: cursor.map(|cursor| cursor.stage.as_str()),
            drift: report.as_ref().map_or(0, Report::drift),
            report,
        }
    }

    /// That of the CMS, as the last writes left it. Two requests.
    pub async fn read<S>(store: &S) -> Result<Self, ReconciliationError>
    where
        S: ReconciliationStore + Inbox + ?Sized,
    {
        // In this order: one that begins in between is seen twice, and not missed.
        let asked = store.look(CMS_SUBSCRIBER).await?;
        let kept = store.load(CMS_SUBSCRIBER).await?;
        Ok(Self::new(kept, asked.request))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use brand::{CMS_SUBSCRIBER, Timestamp};

    use super::ReconciliationView;
    use crate::{
        Class, Cursor, Inbox, MemoryReconciliationStore, Policies, Reconciliation,
        ReconciliationStore, Report, Request,
    };

    #[tokio::test]
    async fn its_states() {
        let now = Timestamp::from_millis(1_795_427_107_966);
        let store = MemoryReconciliationStore::default();
        let view = async || ReconciliationView::read(&store).await.unwrap();
        let keep = async |mut kept: Reconciliation| {
            let before = store.load(CMS_SUBSCRIBER).await.unwrap().revision;
            kept.revision = Some(format!("{before:?}+"));
            assert!(
                store
                    .commit(CMS_SUBSCRIBER, &kept, before.as_deref())
                    .await
                    .unwrap()
            );
        };
        assert_eq!(view().await.state, "never");
        let request = Request {
            by: "user_1".to_owned(),
            at: now,
            dry_run: false,
        };
        store.ask(CMS_SUBSCRIBER, &request).await.unwrap();
        let asked = view().await;
        assert_eq!(
            (asked.state, asked.asked.as_ref()),
            ("asked", Some(&request))
        );

        let mut kept = Reconciliation::default();
        let report = Report::new("1".to_owned(), request, Policies::default(), now);
        kept.begin(report);
        kept.cursor = Some(Cursor::MENDING);
        keep(kept.clone()).await;
        let under_way = view().await;
        assert_eq!(
            (under_way.state, under_way.stage),
            ("under_way", Some("brands"))
        );
        assert!(under_way.mends && under_way.asked.is_some());

        let asked = store.look(CMS_SUBSCRIBER).await.unwrap();
        store.take(CMS_SUBSCRIBER, &asked).await.unwrap();
        kept.report
            .as_mut()
            .unwrap()
            .counts
            .insert(Class::Orphan, 2);
        let mut stopped = kept.clone();
        kept.end(None, now);
        keep(kept).await;
        let done = view().await;
        assert_eq!((done.state, done.stage, done.drift), ("done", None, 2));
        stopped.end(Some("why".to_owned()), now);
        keep(stopped).await;
        assert_eq!(view().await.state, "stopped");
    }
}
