//! What is asked for: query strings parsed at the edge.

use admin_api::{ApiError, Parameters, shown};
use brand::{Direction, Order, Place, Position, Search, SortKey, SyncState};
use lambda_http::Request;

use crate::{cursor, fields::Fields};

/// How many brands a page has, unless it is asked for fewer or more: as in Medusa.
pub const LIMIT: u16 = 20;
/// The most brands of a page.
pub const MAX_LIMIT: u16 = 100;
/// The greatest offset. So many brands, and a page, are held in memory while all are read.
pub const MAX_OFFSET: u32 = 10_000;

/// The query of GET /admin/brands/{id}.
pub(crate) struct RetrieveQuery {
    pub(crate) fields: Fields,
    /// Whether a deleted brand is shown as well, as long as its row is there.
    pub(crate) with_deleted: bool,
}

impl RetrieveQuery {
    pub(crate) fn parse(request: &Request) -> Result<Self, ApiError> {
        let mut parameters = Parameters::of(request);
        let fields = parameters.text("fields");
        let with_deleted = parameters.flag("with_deleted");
        parameters.finish()?;
        let fields = Fields::parse(fields.as_deref(), Fields::OF_ONE)?;
        Ok(Self {
            fields,
            with_deleted,
        })
    }
}

/// The query of GET /admin/brands.
pub(crate) struct ListQuery {
    pub(crate) fields: Fields,
    pub(crate) search: Search,
    pub(crate) limit: u16,
    pub(crate) paging: Paging,
}

/// Which page of the list.
pub(crate) enum Paging {
    /// The one from that number on.
    Numbered { order: Order, offset: u32 },
    /// The one behind that position; the first one where there is none.
    Followed {
        direction: Direction,
        after: Option<Position>,
    },
    /// The one behind that place of those that are not synced, in those states.
    Unsynced {
        states: Vec<SyncState>,
        after: Option<Place>,
    },
}

impl ListQuery {
    /// Parses a query, in Medusa's order: types first, all that is wrong with them at once; then fields; then the order.
    pub(crate) fn parse(request: &Request) -> Result<Self, ApiError> {
        let mut parameters = Parameters::of(request);
        let fields = parameters.text("fields");
        let offset = parameters.number("offset", 0..=MAX_OFFSET);
        let limit = parameters.number("limit", 0..=MAX_LIMIT.into());
        let order = parameters.text("order");
        let search = parameters.text("q");
        let after = parameters.text("after");
        let states = parameters.text("sync");
        let states = states.map(|words| parse_states(&words, &mut parameters));
        let is_by_state = states.is_some();
        if is_by_state && (offset.is_some() || order.is_some()) {
            parameters.problem(
                "Field 'sync' goes with 'after', not with 'offset' and 'order'".to_owned(),
            );
        }
        if is_by_state && limit == Some(0) {
            parameters.problem("Field 'sync' finds nothing with the limit '0'".to_owned());
        }
        if limit == Some(0) && after.is_some() {
            parameters.problem("Field 'after' leads nowhere with the limit '0'".to_owned());
        }
        if offset.is_some_and(|offset| offset > MAX_OFFSET) {
            parameters.problem(
                "Field 'after' goes further: 'after=' begins, and the 'next' of a page is the 'after' of the one behind it"
                    .to_owned(),
            );
        }
        if offset.is_some() && after.is_some() {
            parameters.problem("Fields 'offset' and 'after' exclude each other".to_owned());
        }
        parameters.finish()?;
        let fields = Fields::parse(fields.as_deref(), Fields::OF_LIST)?;
        let order = order.as_deref().map_or(Ok(DEFAULT_ORDER), parse_order)?;
        let paging = match (states, after) {
            (Some(states), after) => Paging::Unsynced {
                states,
                after: unsynced_after(after.as_deref())?,
            },
            (None, None) => Paging::Numbered {
                order,
                offset: offset.unwrap_or_default(),
            },
            (None, Some(cursor)) => follow(order, &cursor)?,
        };
        Ok(Self {
            fields,
            search: search.map_or_else(Search::all, |text| Search::containing(&text)),
            limit: limit
                .and_then(|limit| u16::try_from(limit).ok())
                .unwrap_or(LIMIT),
            paging,
        })
    }
}

/// Medusa sorts by id, which sorts its brands by the time of creation. Here ids are of two kinds, of which one does not.
const DEFAULT_ORDER: Order = Order {
    by: SortKey::CreatedAt,
    direction: Direction::Ascending,
};

fn parse_order(text: &str) -> Result<Order, ApiError> {
    let (direction, name) = match text.strip_prefix('-') {
        Some(name) => (Direction::Descending, name),
        None => (Direction::Ascending, text),
    };
    let by = match name {
        "created_at" => SortKey::CreatedAt,
        "name" => SortKey::Name,
        "id" => SortKey::Id,
        _ => return Err(invalid(&format!("Order field {name} is not valid"))),
    };
    Ok(Order { by, direction })
}

/// The states in a list of words.
fn parse_states(words: &str, parameters: &mut Parameters) -> Vec<SyncState> {
    let mut states = Vec::new();
    for word in words.split(',') {
        match word.parse() {
            Ok(SyncState::Synced) | Err(_) => {
                let expected = SyncState::UNSYNCED.map(SyncState::as_str).join(", ");
                parameters.problem(format!(
                    "Expected: '{expected}' for field 'sync', but got: '{}'",
                    shown(word)
                ));
            }
            Ok(state) => states.push(state),
        }
    }
    states
}

fn unsynced_after(cursor: Option<&str>) -> Result<Option<Place>, ApiError> {
    match cursor {
        None | Some("") => Ok(None),
        Some(cursor) => match admin_api::place(cursor) {
            Some(place) => Ok(Some(place)),
            None => Err(invalid(NO_CURSOR)),
        },
    }
}

const NO_CURSOR: &str =
    "Invalid request: Field 'after' holds no cursor: it is empty, or the 'next' of the page before";

fn follow(order: Order, cursor: &str) -> Result<Paging, ApiError> {
    if order.by != SortKey::CreatedAt {
        return Err(invalid(
            "Invalid request: Field 'after' goes with the orders 'created_at' and '-created_at' alone",
        ));
    }
    let direction = order.direction;
    if cursor.is_empty() {
        let after = None;
        return Ok(Paging::Followed { direction, after });
    }
    match cursor::read(cursor) {
        Some((way, position)) if way == direction => Ok(Paging::Followed {
            direction,
            after: Some(position),
        }),
        Some(_) => Err(invalid(
            "Invalid request: Field 'after' holds the cursor of a list in the other order",
        )),
        None => Err(invalid(NO_CURSOR)),
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::InvalidData(message.to_owned())
}
