//! What the handler is given in place of tables and of hashing.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use sign_in::attempts::{Attempt, Attempts, AttemptsError, Counted, MemoryAttempts};
use users::{Argon2id, Created, Email, PasswordHash, Passwords, User, UserId, Users, UsersError};

/// Checks passwords, and counts how often.
#[derive(Clone, Default)]
pub(crate) struct Counting(Arc<AtomicUsize>);

impl Counting {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Passwords for Counting {
    fn verify(&self, password: &str, hash: &PasswordHash) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst);
        // Whatever it is checked against, it is the same work.
        assert!(String::from(hash.clone()).starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        Argon2id.verify(password, hash)
    }
}

/// A table that is away.
pub(crate) struct Away;

fn away() -> Arc<std::io::Error> {
    Arc::new(std::io::Error::other("secret detail"))
}

impl Users for Away {
    async fn find(&self, _: &Email) -> Result<Option<User>, UsersError> {
        Err(UsersError::Unavailable(away()))
    }

    async fn create(&self, _: &User) -> Result<Created, UsersError> {
        Err(UsersError::Unavailable(away()))
    }

    async fn set_password(
        &self,
        _: &Email,
        _: &PasswordHash,
    ) -> Result<Option<UserId>, UsersError> {
        Err(UsersError::Unavailable(away()))
    }
}

impl Attempts for Away {
    async fn begin(&self, _: &Attempt) -> Result<Counted, AttemptsError> {
        Err(AttemptsError(away()))
    }

    async fn give_back(&self, _: &Attempt) -> Result<(), AttemptsError> {
        Err(AttemptsError(away()))
    }
}

/// Counts, and then cannot take back.
pub(crate) struct KeepsAll(pub(crate) MemoryAttempts);

impl Attempts for KeepsAll {
    async fn begin(&self, attempt: &Attempt) -> Result<Counted, AttemptsError> {
        self.0.begin(attempt).await
    }

    async fn give_back(&self, attempt: &Attempt) -> Result<(), AttemptsError> {
        Away.give_back(attempt).await
    }
}

/// Never answers.
pub(crate) struct Hangs;

impl Attempts for Hangs {
    async fn begin(&self, _: &Attempt) -> Result<Counted, AttemptsError> {
        pending().await
    }

    async fn give_back(&self, _: &Attempt) -> Result<(), AttemptsError> {
        pending().await
    }
}
