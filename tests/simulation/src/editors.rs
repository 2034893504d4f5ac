//! Editors of the CMS: they rename entries, delete them, restore them, and make some of their own. The CMS's webhooks tell of it.

use std::sync::Arc;

use brand::{BrandId, CMS_SUBSCRIBER};
use reconcile::{Hint, Inbox};
use tokio::time::sleep;

use crate::{
    entries::Act,
    plan::{Editors, Fault},
    world::World,
};

/// Makes all changes that the plan has.
pub(crate) async fn edit(world: Arc<World>) {
    let Some(Editors { acts, .. }) = world.plan.editors else {
        return;
    };
    let busy = u64::try_from(world.plan.busy.as_millis()).unwrap();
    for number in 1..=acts {
        let pause = world.chance.one_of(&[300, 5_000, busy, busy]);
        sleep(world.chance.millis(0..pause)).await;
        act(&world, number);
    }
}

/// Makes one change, and sends the webhook of it.
fn act(world: &Arc<World>, number: usize) {
    let (act, fault) = choose(world, number);
    let told = match &act {
        Act::Rename(own, name) => format!("renames entry {own}: {name}"),
        Act::Delete(own) => format!("deletes entry {own}"),
        Act::Make(name) => format!("makes an entry: {name}"),
        Act::Restore(id) => format!("restores the entry of {}", world.of(id)),
    };
    world.tell("editor", told);
    world.story.count(fault);
    let changed = world.cms.edit(world, &act);
    for (id, own) in world.cms.with(|entries| entries.unlinked_brands()) {
        world.name(id, format!("the brand of {own}"));
    }
    if world.strikes(Fault::WebhookLost) {
        return;
    }
    let id: Option<BrandId> = changed.brand.and_then(|id| id.parse().ok());
    let hint = id.map_or_else(Hint::entries, Hint::brand);
    let world = Arc::clone(world);
    tokio::spawn(async move {
        sleep(world.chance.millis(50..90_000)).await;
        let hinted = world.reconciliations.hint(CMS_SUBSCRIBER, &hint).await;
        assert!(hinted.is_ok());
    });
}

fn choose(world: &World, number: usize) -> (Act, Fault) {
    let chance = &world.chance;
    let (own, gone) = world
        .cms
        .with(|entries| (entries.own_ids(), entries.restorable()));
    let name = format!("Edited {number}");
    let choice = chance.below(100);
    if !gone.is_empty() && choice < 10 {
        let id = gone[chance.below(gone.len())].clone();
        return (Act::Restore(id), Fault::EditorRestored);
    }
    if own.is_empty() || choice < 25 {
        return (Act::Make(name), Fault::EditorMade);
    }
    let own = own[chance.below(own.len())].clone();
    if choice < 40 {
        (Act::Delete(own), Fault::EditorDeleted)
    } else {
        (Act::Rename(own, name), Fault::EditorRenamed)
    }
}
