//! What the handler is given in place of tables and of hashing.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sign_in::attempts::{Attempts, AttemptsError, Begun, Count, MemoryAttempts};
use tokio::time::sleep;
use users::{
    Argon2id, Created, Email, MemoryUsers, PasswordHash, Passwords, User, UserId, Users, UsersError,
};

/// Checks passwords, and counts how often.
#[derive(Clone, Default)]
pub(crate) struct Counting {
    argon2id: Arc<Argon2id>,
    checked: Arc<AtomicUsize>,
}

impl Counting {
    pub(crate) fn count(&self) -> usize {
        self.checked.load(Ordering::SeqCst)
    }
}

impl Passwords for Counting {
    fn verify(&self, password: &str, hash: &PasswordHash) -> bool {
        self.checked.fetch_add(1, Ordering::SeqCst);
        // Whatever it is checked against, it is the same work.
        assert!(String::from(hash.clone()).starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        self.argon2id.verify(password, hash)
    }
}

/// Users that take a tenth of a second to be found, so that attempts are in flight at once.
pub(crate) struct Slow(pub(crate) MemoryUsers);

impl Users for Slow {
    async fn find(&self, email: &Email) -> Result<Option<User>, UsersError> {
        sleep(Duration::from_millis(100)).await;
        self.0.find(email).await
    }

    async fn create(&self, user: &User) -> Result<Created, UsersError> {
        self.0.create(user).await
    }

    async fn set_password(
        &self,
        email: &Email,
        hash: &PasswordHash,
    ) -> Result<Option<UserId>, UsersError> {
        self.0.set_password(email, hash).await
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
    async fn begin(&self, _: &Count) -> Result<Begun, AttemptsError> {
        Err(AttemptsError(away()))
    }

    async fn give_back(&self, _: &Count) -> Result<(), AttemptsError> {
        Err(AttemptsError(away()))
    }

    async fn fail(&self, _: &Count) -> Result<(), AttemptsError> {
        Err(AttemptsError(away()))
    }
}

/// Counts those that begin, and then goes away.
pub(crate) struct KeepsAll(pub(crate) MemoryAttempts);

impl Attempts for KeepsAll {
    async fn begin(&self, count: &Count) -> Result<Begun, AttemptsError> {
        self.0.begin(count).await
    }

    async fn give_back(&self, count: &Count) -> Result<(), AttemptsError> {
        Away.give_back(count).await
    }

    async fn fail(&self, count: &Count) -> Result<(), AttemptsError> {
        Away.fail(count).await
    }
}

/// Counts, and tells which requests it took: to begin, to give back, to fail.
#[derive(Clone, Default)]
pub(crate) struct Requests {
    attempts: MemoryAttempts,
    made: Arc<[AtomicUsize; 3]>,
}

impl Requests {
    /// Those since the last time.
    pub(crate) fn take(&self) -> [usize; 3] {
        self.made
            .each_ref()
            .map(|made| made.swap(0, Ordering::SeqCst))
    }
}

impl Attempts for Requests {
    async fn begin(&self, count: &Count) -> Result<Begun, AttemptsError> {
        self.made[0].fetch_add(1, Ordering::SeqCst);
        self.attempts.begin(count).await
    }

    async fn give_back(&self, count: &Count) -> Result<(), AttemptsError> {
        self.made[1].fetch_add(1, Ordering::SeqCst);
        self.attempts.give_back(count).await
    }

    async fn fail(&self, count: &Count) -> Result<(), AttemptsError> {
        self.made[2].fetch_add(1, Ordering::SeqCst);
        self.attempts.fail(count).await
    }
}

/// Never answers.
pub(crate) struct Hangs;

impl Attempts for Hangs {
    async fn begin(&self, _: &Count) -> Result<Begun, AttemptsError> {
        pending().await
    }

    async fn give_back(&self, _: &Count) -> Result<(), AttemptsError> {
        pending().await
    }

    async fn fail(&self, _: &Count) -> Result<(), AttemptsError> {
        pending().await
    }
}
