//! `create-admin`: somebody who may sign in.

use clap::Args;
use users::{Argon2id, Created, NewEmail, User, Users};

use super::{Problem, UsersArguments, told};
use crate::password;

/// Create a user who may sign in; prints the user's id
///
/// Asks for the password, twice and without echo, or reads it from standard input where that is no terminal. Fails if there is a
/// user of that email, and changes nothing then: `set-password` is for that.
#[derive(Args)]
pub(crate) struct CreateAdmin {
    /// The email that the user signs in with; no characters that pass for others
    #[arg(long, value_parser = NewEmail::parse)]
    email: NewEmail,
    #[command(flatten)]
    users: UsersArguments,
}

impl CreateAdmin {
    pub(crate) async fn run(self) -> Result<(), Problem> {
        let hash = Argon2id::new().hash(&password::ask()?)?;
        let user = User::new(self.email, hash, now()?);
        let created = self.users.users().await?.create(&user).await;
        match created.map_err(|error| told(&error))? {
            Created::New => {
                println!("{}", user.user_id);
                Ok(())
            }
            Created::Taken => {
                let email = user.email.as_str();
                Err(format!(
                    "there is a user {email} already: set-password gives them another password"
                )
                .into())
            }
        }
    }
}

fn now() -> Result<jiff::Timestamp, Problem> {
    Ok(jiff::Timestamp::try_from(std::time::SystemTime::now())?)
}
