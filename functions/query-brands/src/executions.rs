//! GET /admin/workflows-executions: runs, as Medusa lists its workflow executions.
//!
//! The list has the runs that are under way, wait or need attention. As in Medusa, one that is done is not kept in it; it is shown
//! when it is asked for by its id, as the last one of its brand.

use admin_api::{ApiError, Parameters, execution, execution_id, execution_state};
use brand::{BrandId, BrandRow, CMS_WORKFLOW, FoundRows, Indexes, StoreError, SyncReader};
use lambda_http::Request;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::query::{MAX_LIMIT, MAX_OFFSET};

/// How many executions a page has, unless it is asked for fewer: as in Medusa.
const LIMIT: u16 = 100;
/// The most executions that are counted.
const MOST: u16 = 10_000;
/// How many rows are read at once.
const AT_ONCE: usize = 500;

/// The query of GET /admin/workflows-executions.
pub(crate) struct ExecutionsQuery {
    shown: Shown,
    workflows: Option<Vec<String>>,
    transactions: Option<Vec<String>>,
    states: Option<Vec<String>>,
    search: Option<String>,
    limit: u16,
    offset: u32,
}

/// A page, as Medusa answers it.
#[derive(Serialize)]
pub(crate) struct Page {
    workflow_executions: Vec<Map<String, Value>>,
    count: usize,
    limit: u16,
    offset: u32,
}

/// One execution.
#[derive(Serialize)]
pub(crate) struct SingleExecution {
    workflow_execution: Map<String, Value>,
}

impl ExecutionsQuery {
    pub(crate) fn parse(request: &Request) -> Result<Self, ApiError> {
        let mut parameters = Parameters::of(request);
        let limit = parameters.number("limit", 0..=MAX_LIMIT.into());
        let fields = parameters.text("fields");
        let query = Self {
            shown: Shown::default(),
            workflows: parameters.texts("workflow_id"),
            transactions: parameters.texts("transaction_id"),
            states: parameters.texts("state"),
            search: parameters.text("q").filter(|text| !text.is_empty()),
            limit: limit
                .and_then(|limit| u16::try_from(limit).ok())
                .unwrap_or(LIMIT),
            offset: parameters
                .number("offset", 0..=MAX_OFFSET)
                .unwrap_or_default(),
        };
        parameters.finish()?;
        let shown = Shown::parse(fields.as_deref())?;
        Ok(Self { shown, ..query })
    }

    /// The page, and the ids of rows that cannot be read.
    pub(crate) async fn page<S: SyncReader>(
        &self,
        brands: &S,
    ) -> Result<(Page, Vec<String>), StoreError> {
        let mut ids = self.candidates(brands).await?;
        let (skipped, limit) = (
            self.offset.try_into().unwrap_or(usize::MAX),
            self.limit.into(),
        );
        let (count, found) = if let Some(states) = &self.states {
            self.in_states(states, &ids, brands).await?
        } else {
            let count = ids.len();
            ids = ids.into_iter().skip(skipped).take(limit).collect();
            (count, brands.find_all(&ids).await?)
        };
        let shown = found.rows.iter().map(|row| self.shown.of(row));
        let page = Page {
            workflow_executions: shown.collect(),
            count,
            limit: self.limit,
            offset: self.offset,
        };
        Ok((page, found.unreadable))
    }

    /// Of those brands, how many have executions in these states, and the page's. A row may be large, so some are held at a time.
    async fn in_states<S: SyncReader>(
        &self,
        states: &[String],
        ids: &[BrandId],
        brands: &S,
    ) -> Result<(usize, FoundRows), StoreError> {
        let first = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let last = first.saturating_add(self.limit.into());
        let (mut count, mut page) = (0, FoundRows::default());
        for ids in ids.chunks(AT_ONCE) {
            let found = brands.find_all(ids).await?;
            page.unreadable.extend(found.unreadable);
            for row in found.rows {
                if states.iter().any(|state| state == execution_state(&row)) {
                    if (first..last).contains(&count) {
                        page.rows.push(row);
                    }
                    count += 1;
                }
            }
        }
        Ok((count, page))
    }

    /// The brands whose executions are asked for, but for their states.
    async fn candidates<S: SyncReader>(&self, brands: &S) -> Result<Vec<BrandId>, StoreError> {
        let has_workflow =
            |workflows: &Vec<String>| workflows.iter().any(|name| name == CMS_WORKFLOW);
        if !self.workflows.as_ref().is_none_or(has_workflow) {
            return Ok(Vec::new());
        }
        let mut ids: Vec<BrandId> = match &self.transactions {
            Some(ids) => ids.iter().filter_map(|id| id.parse().ok()).collect(),
            None => brands.unsynced(Indexes::ALL, None, MOST).await?.ids,
        };
        if let Some(search) = &self.search {
            let search = search.to_lowercase();
            ids.retain(|id| execution_id(*id).contains(&search));
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }
}

/// The execution of that row, with the fields that the query asks for.
pub(crate) fn one(row: &BrandRow, request: &Request) -> Result<SingleExecution, ApiError> {
    let mut parameters = Parameters::of(request);
    let fields = parameters.text("fields");
    parameters.finish()?;
    let workflow_execution = Shown::parse(fields.as_deref())?.of(row);
    Ok(SingleExecution { workflow_execution })
}

/// The fields of an execution.
const FIELDS: [&str; 14] = [
    "id",
    "workflow_id",
    "transaction_id",
    "state",
    "execution",
    "context",
    "resume_at",
    "paused_at",
    "cancel_requested_at",
    "ended_at",
    "suspensions",
    "created_at",
    "updated_at",
    "deleted_at",
];

/// What may stand before a field's name; a plus arrives as a space where it is not encoded.
const SIGNS: [char; 4] = ['+', ' ', '-', '*'];

/// Which fields are shown. As for brands, names without a sign ask for these fields alone, and the id is always among them. All are
/// shown otherwise, so that there is nothing to add. What is asked for within a field shows all of it.
#[derive(Default)]
struct Shown {
    wanted: Vec<String>,
    left_out: Vec<String>,
}

impl Shown {
    fn parse(fields: Option<&str>) -> Result<Self, ApiError> {
        let names = fields.unwrap_or_default().split(',');
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        let is_change = names.iter().all(|name| name.starts_with(SIGNS));
        let (mut shown, mut unknown) = (Self::default(), Vec::new());
        for name in names {
            let bare = name.trim_start_matches(SIGNS);
            let field = bare.split('.').next().unwrap_or_default();
            if is_change && name.starts_with('-') {
                shown.left_out.push(field.to_owned());
            } else if !FIELDS.contains(&field) {
                unknown.push(bare);
            } else if !is_change {
                shown.wanted.push(field.to_owned());
            }
        }
        if unknown.is_empty() {
            return Ok(shown);
        }
        let unknown = unknown.join(", ");
        Err(ApiError::InvalidData(format!(
            "Requested fields [{unknown}] are not valid"
        )))
    }

    /// These fields of the execution of that row.
    fn of(&self, row: &BrandRow) -> Map<String, Value> {
        let Value::Object(mut all) = execution(row) else {
            return Map::new();
        };
        let is_in = |name: &str, names: &[String]| names.iter().any(|known| known == name);
        all.retain(|name, _| {
            let is_wanted = self.wanted.is_empty() || is_in(name, &self.wanted);
            name == "id" || is_wanted && !is_in(name, &self.left_out)
        });
        all
    }
}
