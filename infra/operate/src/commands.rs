//! The subcommands, one module each: a struct of arguments with `run`.

pub(crate) mod circuit;
pub(crate) mod create_admin;
pub(crate) mod parked;
pub(crate) mod reconcile;
pub(crate) mod redrive;
pub(crate) mod set_password;
pub(crate) mod show;
pub(crate) mod sync;

use std::error::Error;

use brand::DynamoDbBrandStore;
use clap::Args;
use dead_letters::{FailureKind, Filter};
use users::DynamoDbUsers;

/// What a person is told when a command fails: one line.
pub(crate) type Problem = Box<dyn Error>;

/// Where users are kept.
#[derive(Args)]
pub(crate) struct UsersArguments {
    /// The table of users: the stack's output `AdminUsersTableName`
    #[arg(long, env = "ADMIN_USERS_TABLE")]
    table: String,
}

impl UsersArguments {
    async fn users(&self) -> Result<DynamoDbUsers, Problem> {
        let sdk = aws::operator_config().await?;
        let client = aws_sdk_dynamodb::Client::new(&sdk);
        Ok(DynamoDbUsers::new(client, &self.table))
    }
}

/// Where brands are kept.
#[derive(Args)]
pub(crate) struct BrandsArguments {
    /// The table of brands: the stack's output `BrandsTableName`
    #[arg(long, env = "BRANDS_TABLE")]
    brands_table: String,
}

impl BrandsArguments {
    async fn brands(&self) -> Result<DynamoDbBrandStore, Problem> {
        let sdk = aws::operator_config().await?;
        let client = aws_sdk_dynamodb::Client::new(&sdk);
        Ok(DynamoDbBrandStore::new(client, &self.brands_table))
    }
}

/// Which parked messages are meant, and where they are.
#[derive(Args)]
pub(crate) struct ParkedArguments {
    /// Only what was parked for this; may be given several times
    #[arg(long, value_name = "KIND", value_parser = str::parse::<FailureKind>)]
    kind: Vec<FailureKind>,
    /// Only the message of this id, as `parked` shows it; may be given several times
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
    /// Only messages that contain this text, such as a brand's id
    #[arg(long, value_name = "TEXT")]
    containing: Option<String>,
    /// At most so many
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// The URL of the dead-letter queue: the stack's output `BrandEventsDeadLetterQueueUrl`
    #[arg(long, env = "BRAND_EVENTS_DLQ_URL")]
    dead_letter_queue_url: String,
}

impl ParkedArguments {
    fn filter(&self) -> Filter {
        Filter {
            kinds: self.kind.clone(),
            ids: self.id.clone(),
            containing: self.containing.clone(),
            limit: self.limit,
        }
    }
}

/// An error with its causes in one line.
fn told(error: &dyn Error) -> Problem {
    telemetry::chain(error).into()
}
