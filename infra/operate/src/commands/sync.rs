//! `sync`: makes rows due again that wait for an operator.

use brand::{
    Action, BrandId, DynamoDbBrandStore, Indexes, Intervention, MarkKind, SUBSCRIBERS, SyncReader,
    TakeUp, TakenUp, Timestamp, take_up_for,
};
use clap::Args;
use futures::{StreamExt, stream};

use super::{BrandsArguments, Problem, told};

/// How many rows are written to at once.
const AT_ONCE: usize = 20;
/// How many rows are read at once.
const PAGE: u16 = 100;
/// Who takes rows up, as they keep it.
const BY: &str = "operate";

/// Sync brands again: makes their rows due, so that the next sweep, within a minute, begins with them
///
/// Give one of --id, --refused, --failed, --paused, --cancelled (these may be combined) or --all.
#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct Sync {
    #[command(flatten)]
    brands: BrandsArguments,
    /// This brand, also if it waits: it is looked at now
    #[arg(long, conflicts_with_all = ["refused", "failed", "paused", "cancelled", "all"])]
    id: Option<BrandId>,
    /// Brands that the CMS refused
    #[arg(long)]
    refused: bool,
    /// Brands that the CMS refused, and refused to undo
    #[arg(long)]
    failed: bool,
    /// Brands that waited longer than the time budget
    #[arg(long)]
    paused: bool,
    /// Brands whose runs were cancelled
    #[arg(long)]
    cancelled: bool,
    /// All brands: after a restore from a backup, or to fill a new CMS. Each is read in the CMS before it is written
    #[arg(long, conflicts_with_all = ["refused", "failed", "paused", "cancelled"])]
    all: bool,
    /// With --all: go on behind this brand, as an earlier run printed it
    #[arg(long, requires = "all")]
    after: Option<BrandId>,
    /// Why: kept in the rows, for others who look
    #[arg(long)]
    reason: Option<String>,
    /// Count only
    #[arg(long)]
    dry_run: bool,
}

/// What was done.
#[derive(Default)]
struct Tally {
    due: usize,
    nothing_to_do: usize,
    problems: Vec<String>,
}

impl Sync {
    pub(crate) async fn run(self) -> Result<(), Problem> {
        let store = self.brands.brands().await?;
        let kinds = self.kinds();
        let mut tally = Tally::default();
        if let Some(id) = self.id {
            self.take_up_all(&store, vec![id], TakeUp::Unsynced, &mut tally)
                .await;
        } else if self.all {
            self.take_up_table(&store, &mut tally).await?;
        } else if kinds.is_empty() {
            return Err(
                "give one of --id, --refused, --failed, --paused, --cancelled, --all".into(),
            );
        } else {
            self.take_up_marked(&store, &kinds, &mut tally).await?;
        }
        let Tally {
            due,
            nothing_to_do,
            problems,
        } = tally;
        let what = if self.dry_run { "would be due" } else { "due" };
        println!("{what}: {due}, nothing to do: {nothing_to_do}");
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.join("; ").into())
        }
    }

    fn kinds(&self) -> Vec<MarkKind> {
        let kinds = [
            (self.refused, MarkKind::Refused),
            (self.failed, MarkKind::Failed),
            (self.paused, MarkKind::Paused),
            (self.cancelled, MarkKind::Cancelled),
        ];
        let wanted = kinds.into_iter().filter(|(is_wanted, _)| *is_wanted);
        wanted.map(|(_, kind)| kind).collect()
    }

    /// Takes up what has such a mark, page by page.
    async fn take_up_marked(
        &self,
        store: &DynamoDbBrandStore,
        kinds: &[MarkKind],
        tally: &mut Tally,
    ) -> Result<(), Problem> {
        let indexes = Indexes {
            due: false,
            attention: true,
        };
        let mut after = None;
        loop {
            let page = store.unsynced(indexes, after.as_ref(), PAGE).await;
            let page = page.map_err(|error| told(&error))?;
            let found = store.find_all(&page.ids).await;
            let found = found.map_err(|error| told(&error))?;
            let unreadable = found.unreadable.iter();
            tally
                .problems
                .extend(unreadable.map(|id| format!("the row of brand {id} cannot be read")));
            let marked = found.rows.iter().filter(|row| {
                let states = row.subscribers.values();
                let mut marks = states.filter_map(|state| state.mark_of(row.brand.version));
                marks.any(|mark| kinds.contains(&mark.kind))
            });
            let ids = marked.map(|row| row.brand.id).collect();
            self.take_up_all(store, ids, TakeUp::Marked, tally).await;
            let Some(next) = page.next else { return Ok(()) };
            after = Some(next);
        }
    }

    /// Takes the whole table up, page by page, and says how to go on after an interruption.
    async fn take_up_table(
        &self,
        store: &DynamoDbBrandStore,
        tally: &mut Tally,
    ) -> Result<(), Problem> {
        let mut after = self.after;
        loop {
            let page = store.ids(after).await;
            let (ids, next) = page.map_err(|error| told(&error))?;
            self.take_up_all(store, ids, TakeUp::Everything, tally)
                .await;
            let Some(next) = next else { return Ok(()) };
            eprintln!("{} so far; to go on from here: --after {next}", tally.due);
            after = Some(next);
        }
    }

    async fn take_up_all(
        &self,
        store: &DynamoDbBrandStore,
        ids: Vec<BrandId>,
        scope: TakeUp,
        tally: &mut Tally,
    ) {
        if self.dry_run {
            tally.due += ids.len();
            return;
        }
        let token = format!("operator-{:016x}", fastrand::u64(..));
        let taken_up = stream::iter(ids).map(|id| {
            let token = format!("{token}-{id}");
            async move {
                let now = Timestamp::now();
                let asked = Intervention::new(Action::Sync, BY, self.reason.clone(), now);
                let asked = (Some(&asked), now);
                let outcome = take_up_for(store, (id, scope), SUBSCRIBERS, &token, asked).await;
                (id, outcome)
            }
        });
        let mut taken_up = taken_up.buffer_unordered(AT_ONCE);
        while let Some((id, outcome)) = taken_up.next().await {
            match outcome {
                Ok(TakenUp::Due(_)) => tally.due += 1,
                Ok(TakenUp::NothingToDo(_)) => tally.nothing_to_do += 1,
                Ok(TakenUp::Missing) => tally.problems.push(format!("there is no brand {id}")),
                Ok(TakenUp::Busy) => {
                    tally
                        .problems
                        .push(format!("brand {id} is being written to; try again"));
                }
                Err(error) => {
                    let error = telemetry::chain(&error);
                    tally.problems.push(format!("brand {id}: {error}"));
                }
            }
        }
    }
}
