//! `set-password`: another password for somebody who may sign in.

use clap::Args;
use users::{Argon2id, Email, Users};

use super::{Problem, UsersArguments, told};
use crate::password;

/// Give a user another password; prints the user's id
///
/// Reads the password as create-admin does. Tokens that the user has stay good until they expire, at most a day later; a new
/// secret in place of `AuthSecret` ends all tokens at once.
#[derive(Args)]
pub(crate) struct SetPassword {
    /// The email that the user signs in with
    #[arg(long, value_parser = Email::parse)]
    email: Email,
    #[command(flatten)]
    users: UsersArguments,
}

impl SetPassword {
    pub(crate) async fn run(self) -> Result<(), Problem> {
        let hash = Argon2id::new().hash(&password::ask()?)?;
        let set = self
            .users
            .users()
            .await?
            .set_password(&self.email, &hash)
            .await;
        match set.map_err(|error| told(&error))? {
            Some(id) => {
                println!("{id}");
                Ok(())
            }
            None => Err(format!("there is no user {}", self.email.as_str()).into()),
        }
    }
}
