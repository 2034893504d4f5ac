//! What a store of reconciliations has to do, as cases that run on any; and a store that does not answer.

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a case fails by panicking, as a test does"
)]

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use brand::{BrandId, Timestamp};

use crate::{
    Asked, Class, Example, Hint, Inbox, Lease, MOST_HINTS, Policies, Reconciliation,
    ReconciliationError, ReconciliationStore, Report, Request,
};

fn now() -> Timestamp {
    Timestamp::from_millis(1_795_427_107_966)
}

fn request(by: &str) -> Request {
    Request {
        by: by.to_owned(),
        at: now(),
        dry_run: true,
    }
}

/// The suite for [`ReconciliationStore`]. `target` is one that no other test uses.
pub async fn keeping<S: ReconciliationStore>(store: &S, target: &str) {
    assert_eq!(store.load(target).await.unwrap(), Reconciliation::default());
    let mut report = Report::new("1".to_owned(), request("one"), Policies::default(), now());
    report.counts.insert(Class::EditedThere, 7);
    report.example(Example {
        class: Class::EditedThere,
        id: Some("id".to_owned()),
        entry: None,
        here: Some(String::new()),
        there: Some("ö".to_owned()),
        agreed: None,
        note: None,
    });
    let mut first = Reconciliation::default();
    first.begin(report);
    first.remember(BrandId::new(now()));
    first.revision = Some("a".to_owned());
    first.lease = Some(Lease {
        token: "t".to_owned(),
        until: now(),
    });
    assert!(!store.commit(target, &first, Some("x")).await.unwrap());
    assert!(store.commit(target, &first, None).await.unwrap());
    assert_eq!(store.load(target).await.unwrap(), first);
    assert!(
        store.commit(target, &first, None).await.unwrap(),
        "it is itself"
    );
    let mut second = first.clone();
    second.revision = Some("b".to_owned());
    second.end(None, now());
    assert!(!store.commit(target, &second, None).await.unwrap());
    assert!(store.commit(target, &second, Some("a")).await.unwrap());
    assert_eq!(store.load(target).await.unwrap(), second);
}

/// The suite for [`Inbox`]. `target` is one that no other test uses.
pub async fn asking<S: Inbox>(store: &S, target: &str) {
    assert_eq!(store.look(target).await.unwrap(), Asked::default());
    store.ask(target, &request("one")).await.unwrap();
    let brand = Hint::brand(BrandId::new(now()));
    for hint in [&brand, &brand, &Hint::entries()] {
        assert!(store.hint(target, hint).await.unwrap());
    }
    let asked = store.look(target).await.unwrap();
    let hints = BTreeSet::from([brand.clone(), Hint::entries()]);
    let request_of_one = Some(request("one"));
    assert_eq!(
        asked,
        Asked {
            request: request_of_one,
            hints
        }
    );
    // What is asked for in the meantime stays.
    store.ask(target, &request("two")).await.unwrap();
    let other = Hint::brand(BrandId::new(now()));
    assert!(store.hint(target, &other).await.unwrap());
    store.take(target, &asked).await.unwrap();
    let left = Asked {
        request: Some(request("two")),
        hints: BTreeSet::from([other.clone()]),
    };
    assert_eq!(store.look(target).await.unwrap(), left);
    store.take(target, &left).await.unwrap();
    store.take(target, &left).await.unwrap();
    assert_eq!(store.look(target).await.unwrap(), Asked::default());
    for _ in 0..MOST_HINTS {
        let hint = Hint::brand(BrandId::new(now()));
        assert!(store.hint(target, &hint).await.unwrap());
    }
    assert!(!store.hint(target, &other).await.unwrap());
    assert_eq!(store.look(target).await.unwrap().hints.len(), MOST_HINTS);
}

/// A store that does not answer.
#[derive(Clone, Copy, Debug)]
pub struct AwayStore;

fn away<T>() -> Result<T, ReconciliationError> {
    let detail = Arc::new(std::io::Error::other("secret detail"));
    Err(ReconciliationError::Unavailable(detail))
}

#[async_trait]
impl ReconciliationStore for AwayStore {
    async fn load(&self, _: &str) -> Result<Reconciliation, ReconciliationError> {
        away()
    }

    async fn commit(
        &self,
        _: &str,
        _: &Reconciliation,
        _: Option<&str>,
    ) -> Result<bool, ReconciliationError> {
        away()
    }
}

#[async_trait]
impl Inbox for AwayStore {
    async fn ask(&self, _: &str, _: &Request) -> Result<(), ReconciliationError> {
        away()
    }

    async fn hint(&self, _: &str, _: &Hint) -> Result<bool, ReconciliationError> {
        away()
    }

    async fn look(&self, _: &str) -> Result<Asked, ReconciliationError> {
        away()
    }

    async fn take(&self, _: &str, _: &Asked) -> Result<(), ReconciliationError> {
        away()
    }
}
