//! What must be true: after each write of a row, after each change in a target, and when all is at rest.

use std::{fmt::Write, sync::Arc};

use brand::{Brand, BrandId, BrandRow, CMS_SUBSCRIBER, Held, MarkKind};
use cms::EntryRef;
use journal::SyncInput;
use reconcile::Conflicts;

use crate::{cms::REFUSED, entries::Request, search::SEARCH, world::World};

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
    if row.brand.deleted_at.is_none() {
        let (id, name) = (id.to_string(), row.brand.name.as_str());
        world.cms.with(|entries| entries.agree(&id, name));
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
    let known = state.holds.as_ref().map(|held| &held.name);
    // A link is not undone.
    let may_be_none = state.holds.as_ref().is_some_and(|held| held.unlinked);
    if mark == Some(MarkKind::Refused)
        && held.as_ref() != known
        && !(may_be_none && held.is_none())
        && !is_of_editor(world, id)
    {
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

fn is_of_editor(world: &World, id: BrandId) -> bool {
    world
        .cms
        .with(|entries| entries.is_of_editor(&id.to_string()))
}

/// Whether an editor has changed the brand's entry, or the one that was to become it.
fn is_touched(world: &World, row: &BrandRow) -> bool {
    let id = row.brand.id.to_string();
    let is_touched = world.cms.with(|entries| entries.is_touched(&id));
    let holds = row.subscriber(CMS_SUBSCRIBER).holds;
    is_touched || holds.is_some_and(|held| held.unlinked && !may_be_linked(world, id, held))
}

fn may_be_linked(world: &World, id: String, held: Held) -> bool {
    let request = Request {
        verb: "link",
        id,
        name: None,
        known: EntryRef {
            name: Some(held.shown().to_owned()),
            id: held.entry,
            revision: held.revision,
        },
    };
    let conflict = world.cms.with(|entries| entries.conflict(&request));
    conflict.is_none()
}

/// Why a request that is sent now may overwrite what an editor has written: a deletion takes the entry with it, the policy says so,
/// or the run reads the CMS first and brings whatever it finds to what the row says.
pub(crate) fn excuse(world: &World, id: &str) -> Option<&'static str> {
    let row = world.brands.row(id.parse().ok()?)?;
    if row.brand.deleted_at.is_some() {
        return Some("the brand is deleted");
    }
    if world.policies().conflicts == Conflicts::Ours {
        return Some("conflicts are ours");
    }
    let state = row.subscriber(CMS_SUBSCRIBER);
    let Some(run) = state.run else {
        return state.in_doubt.then_some("it was taken up meanwhile");
    };
    let run: workflow::Run = serde_json::from_str(&run.record).ok()?;
    let input: SyncInput = run.input.parse().ok()?;
    input.in_doubt.then_some("its run began in doubt")
}

/// "Synced" is true, unless an editor has changed it since.
fn cms_agrees(world: &World, row: &BrandRow) {
    let (id, state) = (row.brand.id.to_string(), row.subscriber(CMS_SUBSCRIBER));
    if state.reached < row.brand.version || state.run.is_some() {
        return;
    }
    let is_there = row.brand.deleted_at.is_none();
    let expected = is_there.then(|| row.brand.name.to_string());
    let (held, brand) = (world.cms.holds(&id), world.of(&id));
    if held != expected && !is_of_editor(world, row.brand.id) {
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
        let is_marked = row.attention_since().is_some();
        if is_marked != is_refused && !(is_marked && is_touched(world, &row)) {
            world.break_promise(format_args!("{brand} ({name:?}) at rest: {mark:?}"));
        }
    }
    if let Some(lost) = world.cms.with(|entries| entries.lost()) {
        world.break_promise(format_args!("an editor wrote {lost}, and that is lost"));
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
