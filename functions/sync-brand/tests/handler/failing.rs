//! Brands that the CMS refuses: nothing of them stays there, and the row says why.

use std::time::Duration;

use async_trait::async_trait;
use brand::{Brand, BrandId, BrandName, TakeUp};
use cms::{Cms, CmsBrand, CmsEntry, CmsError, CmsPage, EntryRef, Faults, StubCms};

use crate::world::{BRAND, ONE, World, acme, batch, failures};

/// A CMS that panics at the sight of one name.
#[derive(Clone)]
struct PanickingCms(StubCms);

#[async_trait]
impl Cms for PanickingCms {
    async fn get_brand(&self, id: &str) -> Result<Option<CmsEntry>, CmsError> {
        self.0.get_brand(id).await
    }

    async fn create_brand(&self, brand: &CmsBrand, key: &str) -> Result<CmsEntry, CmsError> {
        assert!(brand.name != "Panics", "out of ink");
        self.0.create_brand(brand, key).await
    }

    async fn update_brand(
        &self,
        brand: &CmsBrand,
        entry: &EntryRef,
        key: &str,
    ) -> Result<CmsEntry, CmsError> {
        self.0.update_brand(brand, entry, key).await
    }

    async fn delete_brand(&self, id: &str, key: &str) -> Result<(), CmsError> {
        self.0.delete_brand(id, key).await
    }

    async fn list_brands(&self, after: Option<&str>, limit: u16) -> Result<CmsPage, CmsError> {
        self.0.list_brands(after, limit).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_brand_leaves_nothing_and_its_row_says_why_and_since_when() {
    let world = World::with_brand(r#"[{"operation":"create","kind":"permanent","when":"after"}]"#);
    let begun = world.now();
    let response = world
        .handler
        .handle(batch(ONE), Some(world.deadline()))
        .await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.cms.creates(BRAND), 1, "the CMS has acted");
    assert_eq!(world.cms.brands(), []);
    assert_eq!(world.parked(), [], "the row says it, not a message");
    let mark = world.state().mark.unwrap();
    assert_eq!((mark.kind.as_str(), mark.version), ("refused", 1));
    assert!(
        mark.cause.contains("the stub was told to refuse this"),
        "{}",
        mark.cause
    );
    assert!(mark.since >= begun);
    assert_eq!(world.row().due_at, None);
    assert_eq!(world.brands.attention_since(acme().id), Some(mark.since));
}

#[tokio::test(start_paused = true)]
async fn a_refused_brand_is_taken_up_by_an_operator_alone() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"permanent","when":"before","times":1}]"#,
    );
    world.remind(None).await;
    world.remind(None).await;
    assert_eq!(
        world.mark(),
        Some("refused"),
        "a late hint takes nothing up"
    );
    assert_eq!(world.cms.calls().creates, 1);
    world.take_up(TakeUp::Marked).await;
    world.remind(None).await;
    assert!(world.is_synced());
    assert_eq!(world.mark(), None);
    assert_eq!(world.brands.attention_since(acme().id), None);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_undone_is_marked_as_failed_and_read_before_it_is_tried_again() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"permanent","when":"after","times":1},
            {"operation":"delete","kind":"permanent","when":"before","times":1}]"#,
    );
    world.remind(None).await;
    assert_eq!(world.mark(), Some("failed"));
    assert_eq!(world.cms.brands().len(), 1, "it is left over");
    let read = world.cms.calls().retrieves;
    world.take_up(TakeUp::Marked).await;
    world.remind(None).await;
    assert_eq!(world.cms.calls().retrieves, read + 1);
    assert_eq!(world.cms.brands().len(), 1);
    assert!(world.is_synced());
}

#[tokio::test(start_paused = true)]
async fn a_compensation_that_meets_an_outage_waits() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"permanent","when":"after"},
            {"operation":"delete","kind":"transient","when":"before","times":3}]"#,
    );
    world.remind(None).await;
    assert_eq!(world.mark(), None);
    let due_at = world.row().due_at.unwrap();
    tokio::time::sleep(due_at.since(world.now()) + Duration::from_secs(1)).await;
    world.remind(None).await;
    assert_eq!(world.mark(), Some("refused"));
    assert_eq!(world.cms.brands(), []);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_run_is_that_runs_failure_and_harms_no_other() {
    let world = World::with_cms(PanickingCms(StubCms::new(None, Faults::default())));
    let other: BrandId = "019abfc0-e85e-7cc0-a1a2-0123456789ac".parse().unwrap();
    let name = BrandName::parse("Panics").unwrap();
    world.brands.put(acme());
    world.brands.put(Brand {
        id: other,
        name,
        ..acme()
    });
    let mut event = batch(ONE);
    let mut second = event.records[0].clone();
    second.message_id = Some("second".to_owned());
    second.body = second
        .body
        .map(|body| body.replace(BRAND, &other.to_string()));
    event.records.push(second);

    let response = world.handler.handle(event, Some(world.deadline())).await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.cms.0.brands().len(), 1);
    let row = world.brands.row(other).unwrap();
    let mark = row.subscriber("cms").mark.unwrap();
    assert!(
        mark.cause.contains("it panicked: out of ink"),
        "{}",
        mark.cause
    );
}
