//! Brands that are changed and deleted: the CMS follows, in whichever order the events come.

use brand::{Brand, BrandName, BrandStore, Changed, CloudEvent, Timestamp};
use workflow::RunState;

use crate::world::{BRAND, World, failures, id, received};

impl World {
    async fn rename(&self, name: &str) -> Brand {
        let name = BrandName::parse(name).unwrap();
        match self
            .brands
            .update(id(), &name, None, Timestamp::now())
            .await
        {
            Ok(Changed::Done(brand)) => *brand,
            other => panic!("{other:?}"),
        }
    }

    async fn delete(&self) -> Brand {
        match self.brands.delete(id(), None, Timestamp::now()).await {
            Ok(Changed::Done(brand)) => *brand,
            other => panic!("{other:?}"),
        }
    }

    /// Delivers the event about that version of the brand; answers whether it is acknowledged.
    async fn hear_of(&self, brand: &Brand) -> bool {
        let mut event = received(1);
        event.records[0].body = Some(serde_json::to_string(&CloudEvent::about(brand)).unwrap());
        failures(&self.handler.handle(event, None).await).is_empty()
    }

    fn name_in_cms(&self) -> Option<String> {
        self.cms.brand(BRAND).map(|brand| brand.name)
    }
}

#[tokio::test]
async fn a_change_reaches_the_cms_and_a_deletion_takes_the_brand_from_it() {
    let world = World::with_brand("");
    let created = world.brand().await.unwrap();
    assert!(world.hear_of(&created).await);
    let renamed = world.rename("Globex").await;
    assert!(world.hear_of(&renamed).await);
    assert_eq!(world.name_in_cms().as_deref(), Some("Globex"));
    let deleted = world.delete().await;
    assert!(world.hear_of(&deleted).await);
    assert_eq!(world.name_in_cms(), None);
    let brand = world.brand().await.unwrap();
    assert!(brand.synced_at.is_some());
    assert_eq!(brand.in_cms, None);
    assert_eq!(world.run().await.unwrap().state, RunState::Done);
    assert_eq!(world.to_announce().await, []);
    assert_eq!(world.parked(), []);
}

#[tokio::test]
async fn events_that_come_late_or_twice_or_in_the_wrong_order_change_nothing() {
    let world = World::with_brand("");
    let created = world.brand().await.unwrap();
    let first = world.rename("First").await;
    let second = world.rename("Second").await;
    for brand in [&second, &created, &first, &second, &created] {
        assert!(world.hear_of(brand).await);
    }
    assert_eq!(world.name_in_cms().as_deref(), Some("Second"));
    assert_eq!(world.cms.calls().updates, 1);
    assert_eq!(world.cms.calls().creates, 0);
}

#[tokio::test]
async fn a_brand_deleted_while_its_sync_is_under_way_leaves_nothing_in_the_cms() {
    // The CMS creates it, and does not answer in time.
    let world = World::with_brand(r#"[{"operation":"create","kind":"transient","when":"after"}]"#);
    let created = world.brand().await.unwrap();
    assert!(!world.hear_of(&created).await);
    assert_eq!(world.name_in_cms().as_deref(), Some("Acme"));
    let deleted = world.delete().await;
    // Whichever event comes first.
    assert!(world.hear_of(&deleted).await);
    assert_eq!(world.name_in_cms(), None);
    assert!(world.hear_of(&created).await);
    assert_eq!(world.name_in_cms(), None);
    assert!(world.brand().await.unwrap().synced_at.is_some());
    assert_eq!(world.run().await.unwrap().state, RunState::Done);
}

#[tokio::test]
async fn a_change_that_the_cms_refuses_after_acting_is_restored() {
    let world = World::with_brand(
        r#"[{"operation":"update","name":"Globex","kind":"permanent","when":"after"}]"#,
    );
    let created = world.brand().await.unwrap();
    assert!(world.hear_of(&created).await);
    let renamed = world.rename("Globex").await;
    assert!(world.hear_of(&renamed).await);
    assert_eq!(world.name_in_cms().as_deref(), Some("Acme"));
    let brand = world.brand().await.unwrap();
    assert_eq!(brand.sync_failure.unwrap().kind, "reverted");
    assert_eq!(brand.in_cms.unwrap().as_str(), "Acme");
}

#[tokio::test]
async fn a_deletion_that_the_cms_refuses_after_acting_creates_the_brand_again() {
    let world = World::with_brand(r#"[{"operation":"delete","kind":"permanent","when":"after"}]"#);
    let created = world.brand().await.unwrap();
    assert!(world.hear_of(&created).await);
    let deleted = world.delete().await;
    assert!(world.hear_of(&deleted).await);
    assert_eq!(world.name_in_cms().as_deref(), Some("Acme"));
    assert!(world.brand().await.unwrap().sync_failure.is_some());
}

#[tokio::test]
async fn a_change_that_follows_one_which_failed_for_good_reaches_the_cms() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"permanent","when":"after"},
            {"operation":"delete","kind":"permanent","when":"before","times":1}]"#,
    );
    let created = world.brand().await.unwrap();
    assert!(world.hear_of(&created).await);
    assert_eq!(world.run().await.unwrap().state, RunState::Failed);
    let renamed = world.rename("Globex").await;
    assert!(world.hear_of(&renamed).await);
    assert_eq!(world.name_in_cms().as_deref(), Some("Globex"));
    let brand = world.brand().await.unwrap();
    assert!(brand.synced_at.is_some());
    assert_eq!(brand.sync_failure, None);
}
