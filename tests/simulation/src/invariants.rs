//! What must be true: after each write of a row, after each change in a target, and when all is at rest.

use std::{fmt::Write, sync::Arc};

use brand::{Brand, BrandId, BrandRow, CMS_SUBSCRIBER, MarkKind};

use crate::{cms::REFUSED, search::SEARCH, world::World};

/// A brand's row has been written.
pub(crate) fn row_written(
    world: &Arc<World>,
    writer: &str,
    id: BrandId,
    before: Option<&BrandRow>,
) {
    let Some(row) = world.brands.row(id) else {
        return;
    };
    if before == Some(&row) {
        return;
    }
    tell(world, writer, &row, before);
    let brand = world.of(id);
    for name in subscribers(world) {
        if has_work(&row, name) && row.due_at.is_none() {
            world.break_promise(format_args!(
                "{brand} is lost: {name} is behind, and it is not due"
            ));
        }
    }
    let is_listed = world.brands.attention_since(id).is_some();
    if is_listed != row.attention_since().is_some() {
        world.break_promise(format_args!(
            "{brand} is in the index of marked rows: {is_listed}"
        ));
    }
    let state = row.subscriber(CMS_SUBSCRIBER);
    let mark = state.mark_of(row.brand.version).map(|mark| mark.kind);
    if matches!(mark, Some(MarkKind::Refused | MarkKind::Failed))
        && !world.cms.has_refused(&id.to_string())
    {
        world.break_promise(format_args!("{brand} is marked, and was not refused"));
    }
    let held = world.cms.holds(&id.to_string());
    if mark == Some(MarkKind::Refused) && held != state.holds.map(|held| held.name) {
        world.break_promise(format_args!(
            "{brand} is refused, and the CMS holds {held:?}"
        ));
    }
    cms_agrees(world, &row);
    search_agrees(world, &row);
}

fn tell(world: &Arc<World>, writer: &str, row: &BrandRow, before: Option<&BrandRow>) {
    let brand = world.of(row.brand.id);
    if before.is_none_or(|before| before.brand != row.brand) {
        let Brand { name, version, .. } = &row.brand;
        let gone = if row.brand.deleted_at.is_some() {
            ", deleted"
        } else {
            ""
        };
        let what = format_args!(
            "writes {brand}, version {version}: {name:?}{gone}",
            name = name.as_str()
        );
        return world.tell(writer, what);
    }
    let mut what = String::new();
    for (name, state) in &row.subscribers {
        if before.is_some_and(|before| before.subscriber(name) == *state) {
            continue;
        }
        let run = state
            .run
            .as_ref()
            .and_then(|run| serde_json::from_str(&run.record).ok());
        let run = run.map(|run: workflow::Run| {
            let waits = if run.resume_at.is_some() {
                ", waits"
            } else {
                ""
            };
            format!("; run {} {}{waits}", run.state, run.steps.len())
        });
        let (reached, run) = (state.reached, run.unwrap_or_default());
        let mark = state
            .mark
            .as_ref()
            .map(|mark| format!("; {}", mark.kind.as_str()));
        let mark = mark.unwrap_or_default();
        write!(what, " {name}: reached {reached}{run}{mark}").unwrap();
    }
    let due = row.due_at.map(|due| due.since(world.now()).as_secs());
    let due = due.map_or("not due".to_owned(), |due| format!("due in {due} s"));
    world.tell(
        writer,
        format_args!("writes the sync of {brand}:{what}; {due}"),
    );
}

fn subscribers(world: &World) -> &[&'static str] {
    if world.plan.has_second_subscriber {
        &[CMS_SUBSCRIBER, SEARCH]
    } else {
        &[CMS_SUBSCRIBER]
    }
}

/// Whether that subscriber is behind, and nothing keeps it from going on.
fn has_work(row: &BrandRow, name: &str) -> bool {
    let (state, version) = (row.subscriber(name), row.brand.version);
    let is_behind = match name {
        // It has not subscribed to changes.
        SEARCH => state.reached == 0 || row.brand.deleted_at.is_some() && state.reached < version,
        _ => state.reached < version,
    };
    is_behind && state.mark_of(version).is_none()
}

/// The CMS has changed.
pub(crate) fn cms_changed(world: &World, id: &str) {
    match id.parse().ok().and_then(|id| world.brands.row(id)) {
        Some(row) => cms_agrees(world, &row),
        None => world.break_promise("the CMS holds a brand without a row"),
    }
}

/// "Synced" is true.
fn cms_agrees(world: &World, row: &BrandRow) {
    let (id, state) = (row.brand.id.to_string(), row.subscriber(CMS_SUBSCRIBER));
    if state.reached < row.brand.version || state.run.is_some() {
        return;
    }
    let is_there = row.brand.deleted_at.is_none();
    let expected = is_there.then(|| row.brand.name.to_string());
    let (held, brand) = (world.cms.holds(&id), world.of(&id));
    if held != expected {
        world.break_promise(format_args!(
            "{brand} is synced, and the CMS holds {held:?}"
        ));
    }
    if world.cms.is_in_flight(&id) {
        world.break_promise(format_args!("{brand} is synced, and a call may still act"));
    }
}

/// The search index has changed.
pub(crate) fn search_changed(world: &World, id: &str) {
    if let Some(row) = id.parse().ok().and_then(|id| world.brands.row(id)) {
        search_agrees(world, &row);
    }
}

fn search_agrees(world: &World, row: &BrandRow) {
    let (id, state) = (row.brand.id.to_string(), row.subscriber(SEARCH));
    let is_open = state.run.is_some() || state.mark.is_some() || has_work(row, SEARCH);
    if !world.plan.has_second_subscriber || is_open {
        return;
    }
    if world.search.holds(&id) == row.brand.deleted_at.is_some() {
        let brand = world.of(&id);
        world.break_promise(format_args!(
            "{brand} is synced, and the search index disagrees"
        ));
    }
}

/// What is still to happen, if anything is.
pub(crate) fn in_motion(world: &World) -> Option<String> {
    let rows = world.brands.all_rows();
    let moving = rows.iter().find(|row| {
        let has_work = |name: &&str| has_work(row, name);
        row.due_at.is_some() || subscribers(world).iter().any(has_work)
    });
    let waits = world
        .queue
        .next_at()
        .is_some_and(|at| at < tokio::time::Instant::now() + std::time::Duration::from_hours(24));
    match moving {
        Some(row) => Some(format!("{} is due", world.of(row.brand.id))),
        None => waits.then(|| "messages wait".to_owned()),
    }
}

/// All is at rest, and what is marked has been taken up.
pub(crate) fn at_rest(world: &Arc<World>) {
    for (id, version) in world.acknowledged.lock().unwrap().iter() {
        let row = world.brands.row(*id);
        if row.is_none_or(|row| row.brand.version < *version) {
            world.break_promise(format_args!(
                "{} was acknowledged and is gone",
                world.of(id)
            ));
        }
    }
    for row in world.brands.all_rows() {
        let (brand, name) = (world.of(row.brand.id), row.brand.name.as_str());
        row_written(world, "at rest", row.brand.id, None);
        let is_refused = name.starts_with(REFUSED) && row.brand.deleted_at.is_none();
        let mark = row.subscriber(CMS_SUBSCRIBER).mark.map(|mark| mark.kind);
        if row.attention_since().is_some() != is_refused {
            world.break_promise(format_args!("{brand} ({name:?}) at rest: {mark:?}"));
        }
    }
    for id in world.cms.brands() {
        if id
            .parse()
            .ok()
            .and_then(|id| world.brands.row(id))
            .is_none()
        {
            world.break_promise("the CMS holds a brand without a row");
        }
    }
}
