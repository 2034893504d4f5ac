//! One number of brands: the table is filled up to it, and everything is measured.

use brand::{Brand, BrandStore, Search};

use crate::{
    operation::Operation,
    problem, rows,
    world::{LIMITS, Measured, World},
};

/// How often an operation is measured that leaves everything as it was.
const TIMES: usize = 5;
/// The same, where it reads the whole index.
const TIMES_LONG: usize = 3;

/// What each operation takes, with so many brands.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) brands: usize,
    /// How many of them were added, and were unsynced at first.
    pub(crate) added: usize,
    pub(crate) measured: Vec<(Operation, Measured)>,
}

impl Step {
    /// Fills the table up to so many brands, and measures.
    pub(crate) async fn take(
        world: &World,
        brands: &mut Vec<Brand>,
        size: usize,
    ) -> Result<Self, String> {
        let known = brands.len();
        for number in known..size {
            let number = u64::try_from(number).map_err(problem)?;
            brands.push(rows::brand(number)?);
        }
        let added = brands.get(known..).unwrap_or_default();
        rows::create(&world.store, added).await?;
        let mut step = Self {
            brands: size,
            added: added.len(),
            measured: Vec::new(),
        };
        step.sweeps(world, added).await?;
        step.single(world).await?;
        step.lists(world, brands).await?;
        step.measured.sort_by_key(|(operation, _)| *operation);
        Ok(step)
    }

    /// The brands that are added are unsynced at first. A sweep announces those that wait longest, and leaves them for an hour.
    async fn sweeps(&mut self, world: &World, added: &[Brand]) -> Result<(), String> {
        let (mut measured, _) = world.sweep().await?;
        self.add(Operation::LongSweep, measured);
        let (rest, newest) = added.split_at(added.len().saturating_sub(LIMITS.brands.into()));
        if !rest.is_empty() {
            rows::mark_synced(&world.client, &world.store, rest).await?;
            (measured, _) = world.sweep().await?;
        }
        self.add(Operation::FullSweep, measured);
        rows::mark_synced(&world.client, &world.store, newest).await?;
        let mut idle = Vec::new();
        for _ in 0..TIMES {
            let (measured, report) = world.sweep().await?;
            if report.oldest_unsynced_age.is_some() {
                return Err("the sweep has something to do".to_owned());
            }
            idle.push(measured);
        }
        self.add_median(Operation::IdleSweep, idle)
    }

    /// What is created here is taken away again.
    async fn single(&mut self, world: &World) -> Result<(), String> {
        let (mut created, mut of_create) = (Vec::new(), Vec::new());
        for number in 0..TIMES {
            let (measured, id) = world.create(&format!("Create {number:05}")).await?;
            let brand = world.store.get(id).await.map_err(problem)?;
            created.push(brand.ok_or("a brand is gone")?);
            of_create.push(measured);
        }
        self.add_median(Operation::Create, of_create)?;
        for operation in [Operation::Sync, Operation::Duplicate] {
            let mut heard = Vec::new();
            for brand in &created {
                heard.push(world.hear_of(brand).await?);
            }
            self.add_median(operation, heard)?;
        }
        let mut retrieved = Vec::new();
        for brand in &created {
            retrieved.push(world.retrieve(brand.id).await?);
        }
        self.add_median(Operation::Retrieve, retrieved)?;
        for brand in &created {
            rows::remove(&world.client, &world.place.table, brand.id).await?;
        }
        Ok(())
    }

    async fn lists(&mut self, world: &World, brands: &[Brand]) -> Result<(), String> {
        let later = brands.get(brands.len() / 10);
        for limit in [query_brands::LIMIT, query_brands::MAX_LIMIT] {
            for after in [None, later] {
                let mut pages = Vec::new();
                for _ in 0..TIMES {
                    let page = world.page_after(&Search::all(), after, limit).await?;
                    is_of(page.1.brands.len(), limit.into())?;
                    pages.push(page.0);
                }
                let operation = match after {
                    None => Operation::FirstPage(limit),
                    Some(_) => Operation::LaterPage(limit),
                };
                self.add_median(operation, pages)?;
            }
        }
        let search = Search::containing(rows::SOUGHT);
        let (mut found, mut by_number) = (Vec::new(), Vec::new());
        for _ in 0..TIMES_LONG {
            let page = world.page_after(&search, None, query_brands::LIMIT).await?;
            is_of(
                page.1.brands.len(),
                usize::try_from(rows::FOUND).map_err(problem)?,
            )?;
            found.push(page.0);
            let page = world.page_by_number().await?;
            is_of(
                usize::try_from(page.1.count).map_err(problem)?,
                brands.len(),
            )?;
            by_number.push(page.0);
        }
        self.add_median(Operation::Search, found)?;
        self.add_median(Operation::PageByNumber, by_number)
    }

    fn add(&mut self, operation: Operation, measured: Measured) {
        self.measured.push((operation, measured));
    }

    /// Counts do not vary, times do.
    fn add_median(
        &mut self,
        operation: Operation,
        mut measured: Vec<Measured>,
    ) -> Result<(), String> {
        measured.sort_by_key(|measured| measured.time);
        let median = measured.get(measured.len() / 2).copied();
        let median = median.ok_or("nothing was measured")?;
        if let Some(other) = measured.iter().find(|other| other.count != median.count) {
            let (operation, one, other) = (operation.text(), median.count, other.count);
            return Err(format!("{operation} took {one:?}, and then {other:?}"));
        }
        self.add(operation, median);
        Ok(())
    }

    /// What an operation took.
    pub(crate) fn of(&self, operation: Operation) -> Option<&Measured> {
        let mut measured = self.measured.iter();
        let found = measured.find(|(known, _)| *known == operation);
        found.map(|(_, measured)| measured)
    }
}

fn is_of(found: usize, expected: usize) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{found} brands were found, not {expected}"))
    }
}
