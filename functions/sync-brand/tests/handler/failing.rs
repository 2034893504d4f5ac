//! Brands whose sync fails for good: nothing of them stays in the CMS, the event is parked, the brand says why.

use brand::{Brand, BrandId, BrandName, Timestamp};
use cms::{Cms, CmsBrand, CmsError, Faults, StubCms};
use workflow::RunState;

use crate::world::{BRAND, MAX_RECEIVES, ONE, Queues, World, acme, batch, failures, received};

/// A CMS that panics at the sight of one name.
#[derive(Clone)]
struct PanickingCms(StubCms);

impl Cms for PanickingCms {
    async fn create_brand(&self, brand: &CmsBrand, key: &str) -> Result<(), CmsError> {
        assert!(brand.name != "Panics", "out of ink");
        self.0.create_brand(brand, key).await
    }

    async fn update_brand(&self, brand: &CmsBrand, key: &str) -> Result<(), CmsError> {
        self.0.update_brand(brand, key).await
    }

    async fn delete_brand(&self, id: &str, key: &str) -> Result<(), CmsError> {
        self.0.delete_brand(id, key).await
    }
}

#[tokio::test]
async fn a_brand_that_is_missing_is_parked_with_its_id() {
    let world = World::new("");
    let response = world.handler.handle(batch(ONE), None).await;
    assert_eq!(failures(&response), [""; 0]);
    let parked = world.parked();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].1, "reverted");
    assert!(
        parked[0]
            .2
            .contains(&format!("brand with id {BRAND} was not found")),
        "{}",
        parked[0].2
    );
    assert_eq!(world.cms.calls().creates, 0);
}

#[tokio::test]
async fn a_cms_that_fails_for_good_after_acting_keeps_nothing() {
    let world = World::with_brand(r#"[{"operation":"create","kind":"permanent","when":"after"}]"#);
    let response = world.handler.handle(batch(ONE), None).await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.cms.creates(BRAND), 1, "the CMS has acted");
    assert_eq!(world.cms.brands(), []);
    assert_eq!(world.run().await.unwrap().state, RunState::Reverted);
    assert_eq!(world.brand().await.unwrap().synced_at, None);
    assert_eq!(world.parked()[0].1, "reverted");
}

#[tokio::test(start_paused = true)]
async fn the_last_delivery_reverts_and_parks_what_cannot_be_finished() {
    let world = World::with_brand(r#"[{"operation":"create","kind":"transient","when":"after"}]"#);
    let response = world.handler.handle(received(MAX_RECEIVES), None).await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.cms.brands(), []);
    assert_eq!(world.run().await.unwrap().state, RunState::Reverted);
    assert_eq!(world.parked()[0].1, "reverted");
}

#[tokio::test]
async fn a_brand_whose_sync_failed_for_good_says_why_and_since_when_and_is_announced_no_more() {
    let world = World::with_brand(r#"[{"operation":"create","kind":"permanent","when":"after"}]"#);
    let begun = Timestamp::now();
    world.handler.handle(batch(ONE), None).await;
    let failure = world.brand().await.unwrap().sync_failure.unwrap();
    assert_eq!(failure.kind, "reverted");
    let parked = world.parked()[0].2.clone();
    assert!(parked.ends_with(&failure.cause), "{parked}: {failure:?}");
    assert!(failure.since >= begun);
    assert_eq!(world.to_announce().await, []);
}

#[tokio::test]
async fn a_brand_whose_sync_failed_is_no_longer_marked_so_once_it_is_synced() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"permanent","when":"before","times":1}]"#,
    );
    world.handler.handle(batch(ONE), None).await;
    assert!(world.brand().await.unwrap().sync_failure.is_some());
    world.handler.handle(batch(ONE), None).await;
    let brand = world.brand().await.unwrap();
    assert!(brand.synced_at.is_some());
    assert_eq!(brand.sync_failure, None);
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_parked_as_failed_and_taken_back_when_the_event_is_sent_again()
{
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"permanent","when":"after","times":1},
            {"operation":"delete","kind":"permanent","when":"before","times":1}]"#,
    );
    world.handler.handle(batch(ONE), None).await;
    assert_eq!(world.run().await.unwrap().state, RunState::Failed);
    assert_eq!(world.parked()[0].1, "failed");
    assert_eq!(
        world.brand().await.unwrap().sync_failure.unwrap().kind,
        "failed"
    );
    assert_eq!(world.cms.brands().len(), 1, "it is left over");

    world.handler.handle(batch(ONE), None).await;
    assert_eq!(world.run().await.unwrap().state, RunState::Reverted);
    assert_eq!(world.cms.brands(), []);
    world.handler.handle(batch(ONE), None).await;
    assert_eq!(world.run().await.unwrap().state, RunState::Done);
}

#[tokio::test]
async fn a_version_that_was_overtaken_is_acknowledged_and_the_later_one_stays_in_the_outbox() {
    let world = World::with_brand(r#"[{"operation":"create","kind":"permanent","when":"before"}]"#);
    let later = Brand {
        version: 2,
        ..acme()
    };
    world.brands.put(later.clone());
    world.handler.handle(batch(ONE), None).await;
    assert_eq!(world.parked(), []);
    assert_eq!(world.to_announce().await, [later]);
}

#[tokio::test]
async fn a_panic_in_one_run_is_that_runs_failure_and_harms_no_other() {
    let world = World::with_cms(
        PanickingCms(StubCms::new(None, Faults::default())),
        Queues::default(),
    );
    let other: BrandId = "019abfc0-e85e-7cc0-a1a2-0123456789ac".parse().unwrap();
    let name = BrandName::parse("Panics").unwrap();
    world.brands.put(acme());
    world.brands.put(Brand {
        id: other,
        name,
        ..acme()
    });
    let mut event = received(1);
    let mut second = event.records[0].clone();
    second.message_id = Some("second".to_owned());
    second.body = second
        .body
        .map(|body| body.replace(BRAND, &other.to_string()));
    event.records.push(second);

    let response = world.handler.handle(event, None).await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.cms.0.brands().len(), 1);
    let parked = world.parked();
    assert_eq!((parked.len(), parked[0].0.as_str()), (1, "second"));
    assert!(
        parked[0].2.contains("it panicked: out of ink"),
        "{}",
        parked[0].2
    );
}
