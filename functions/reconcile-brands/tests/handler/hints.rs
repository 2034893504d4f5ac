//! What the webhooks of the CMS hint at.

use brand::{BrandId, CMS_SUBSCRIBER};
use reconcile::{Hint, Inbox, Policies};
use reconcile_brands::Answer;

use crate::world::{World, all_for_the_cms};

async fn hint(world: &World, hint: Hint) {
    assert!(world.kept.hint(CMS_SUBSCRIBER, &hint).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_one_look_at_one_brand() {
    let world = World::new(all_for_the_cms());
    let brands = world.synced_brands(300).await;
    for id in &brands[..2] {
        world.cms.edit(&id.to_string(), "Edited");
    }
    let orphan = world.orphan(0);
    world.cms.add_entry("Made", None);
    for id in [
        brands[0],
        brands[2],
        brands[3],
        orphan,
        BrandId::new(world.now()),
    ] {
        hint(&world, Hint::brand(id)).await;
        hint(&world, Hint::brand(id)).await;
    }
    hint(&world, Hint::entries()).await;
    assert_eq!(world.tick().await, Answer::Looked);
    assert!(world.reads() <= 3, "{}", world.reads());
    assert_eq!(world.name(brands[0]), "Edited");
    assert_eq!(world.name(brands[1]), "Brand 1", "it was not hinted at");
    assert_eq!(world.name(brands[3]), "Brand 3");
    assert!(world.row(orphan).brand.deleted_at.is_some());
    assert_eq!(world.brands.all_rows().len(), 302);
    assert_eq!(world.tick().await, Answer::Idle);
    world.sync().await;
    assert_eq!(world.cms.unlinked(), []);
    assert_eq!(world.cms.brand(&orphan.to_string()), None);
}

#[tokio::test(start_paused = true)]
async fn by_default_a_hint_changes_nothing() {
    let world = World::new(Policies::default());
    let brands = world.synced_brands(1).await;
    world.cms.edit(&brands[0].to_string(), "Edited");
    let before = world.brands.all_rows();
    hint(&world, Hint::brand(brands[0])).await;
    assert_eq!(world.tick().await, Answer::Looked);
    assert_eq!(world.brands.all_rows(), before);
}

#[tokio::test(start_paused = true)]
async fn while_the_cms_is_away_a_hint_waits() {
    let world = World::new(all_for_the_cms());
    let brands = world.synced_brands(1).await;
    world.cms.edit(&brands[0].to_string(), "Edited");
    hint(&world, Hint::brand(brands[0])).await;
    world
        .cms
        .set_faults(r#"[{"kind": "transient"}]"#.parse().unwrap());
    assert_eq!(world.tick().await, Answer::Looked);
    assert_eq!(world.name(brands[0]), "Brand 0");
    world.cms.set_faults("[]".parse().unwrap());
    assert_eq!(world.tick().await, Answer::Looked);
    assert_eq!(world.name(brands[0]), "Edited");
    assert_eq!(world.tick().await, Answer::Idle);
}

#[tokio::test(start_paused = true)]
async fn many_edits_at_once_ask_the_guards_of_a_whole_reconciliation() {
    let world = World::new(all_for_the_cms());
    let brands = world.synced_brands(50).await;
    for id in &brands[..11] {
        world.cms.edit(&id.to_string(), "Edited");
        hint(&world, Hint::brand(*id)).await;
    }
    assert_eq!(world.tick().await, Answer::Looked);
    assert_eq!(world.name(brands[0]), "Brand 0");
    assert_eq!(world.tick().await, Answer::Stopped);
    let report = world.report().await;
    assert_eq!(report.request.by, "webhooks");
    assert_eq!(world.name(brands[0]), "Brand 0");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_asks_the_guards_of_a_whole_reconciliation() {
    let world = World::new(all_for_the_cms());
    let brands = world.synced_brands(3).await;
    world.cms.remove(&brands[0].to_string());
    hint(&world, Hint::brand(brands[0])).await;
    assert_eq!(world.tick().await, Answer::Looked);
    assert!(world.row(brands[0]).brand.deleted_at.is_none());
    assert_eq!(world.tick().await, Answer::Done);
    assert_eq!(world.report().await.request.by, "webhooks");
    assert!(world.row(brands[0]).brand.deleted_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_brand_that_the_sync_is_at_is_looked_at_afterwards() {
    let world = World::new(all_for_the_cms());
    let brands = world.synced_brands(1).await;
    world.rename(brands[0], "Ours").await;
    hint(&world, Hint::brand(brands[0])).await;
    assert_eq!(world.tick().await, Answer::Looked);
    world.sync().await;
    world.cms.edit(&brands[0].to_string(), "Edited");
    assert_eq!(world.tick().await, Answer::Looked);
    assert_eq!(world.name(brands[0]), "Edited");
    assert_eq!(world.tick().await, Answer::Idle);
}
