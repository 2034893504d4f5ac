//! Medusa's shapes: what the admin API accepts, answers and refuses.
//!
//! The contract are recorded answers of a real Medusa, `tests/wire/medusa.json`; where this project is stricter, the
//! recording says so.

mod change;
mod cursor;
mod deadline;
mod error;
mod execution;
mod gateway;
mod layer;
mod not_found;
mod parameters;
mod request;
mod response;
mod sign_in;
mod sync;
mod traced;

pub use change::{announce, in_time};
pub use cursor::{cursor, place};
pub use deadline::Deadline;
pub use error::ApiError;
pub use execution::{
    brand_of_execution, execution, execution_id, execution_state, no_such_execution,
};
pub use gateway::{Gateway, serve};
pub use layer::ErrorResponses;
pub use not_found::{no_route, path};
pub use parameters::Parameters;
pub use request::{BrandRequest, Fields, MAX_BODY, body, shown};
pub(crate) use response::entity_tag;
pub use response::{BrandResponse, brand, json, tagged};
pub use sign_in::{SignInRequest, TokenResponse};
pub use sync::{HeldResponse, InterventionResponse, SyncError, SyncResponse};
pub use traced::{Traced, trace};

/// The API, as an OpenAPI 3.1 document. A change of the API is a change of it; what of it can be compared with the code, is
/// (`tests/openapi.rs`).
pub const OPENAPI: &str = include_str!("../openapi.json");
