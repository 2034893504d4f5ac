//! The port to where users are kept.

use std::{error::Error, sync::Arc};

use thiserror::Error;

use crate::{Email, PasswordHash, User, UserId};

/// Where users are kept, by their emails.
pub trait Users: Send + Sync {
    /// The user of that email, as the last write left it.
    fn find(&self, email: &Email) -> impl Future<Output = Result<Option<User>, UsersError>> + Send;

    /// Stores a new user, unless there is one of that email.
    fn create(&self, user: &User) -> impl Future<Output = Result<Created, UsersError>> + Send;

    /// Gives the user of that email another password, and answers the user's id; none if there is no such user.
    ///
    /// Tokens that were issued before are refused within a minute: see [`PasswordChanges`](crate::PasswordChanges).
    fn set_password(
        &self,
        email: &Email,
        hash: &PasswordHash,
    ) -> impl Future<Output = Result<Option<UserId>, UsersError>> + Send;
}

/// What became of storing a new user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The user is stored.
    New,
    /// Somebody else has that email. Nothing was changed.
    Taken,
}

/// The store did not do what it was asked to.
#[derive(Clone, Debug, Error)]
pub enum UsersError {
    /// It did not answer, or not in time: whether a write was made is unknown.
    #[error("the users' table is not available")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
    /// It refused the request for good.
    #[error("the users' table refused the request")]
    Refused(#[source] Arc<dyn Error + Send + Sync>),
    /// Others kept setting passwords at the same time; try again.
    #[error("other passwords are being set at the same time")]
    Busy,
    /// What it holds for a user cannot be read.
    #[error("the row of a user cannot be read")]
    Unreadable(#[source] Arc<dyn Error + Send + Sync>),
}
