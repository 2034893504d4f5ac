//! The subcommands, one module each: a struct of arguments with `run`.

pub(crate) mod circuit;
pub(crate) mod create_admin;
pub(crate) mod redrive;
pub(crate) mod set_password;
pub(crate) mod show;
pub(crate) mod sync;

use std::error::Error;

use brand::DynamoDbBrandStore;
use clap::Args;
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

/// An error with its causes in one line.
fn told(error: &dyn Error) -> Problem {
    telemetry::chain(error).into()
}
