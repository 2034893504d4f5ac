//! Users in memory, for tests.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{Created, Email, PasswordHash, User, UserId, Users, UsersError};

/// A store that holds users in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryUsers {
    users: Arc<Mutex<HashMap<Email, User>>>,
}

impl MemoryUsers {
    /// No users.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn users(&self) -> MutexGuard<'_, HashMap<Email, User>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Users for MemoryUsers {
    async fn find(&self, email: &Email) -> Result<Option<User>, UsersError> {
        Ok(self.users().get(email).cloned())
    }

    async fn create(&self, user: &User) -> Result<Created, UsersError> {
        let mut users = self.users();
        if users
            .get(&user.email)
            .is_some_and(|found| found.user_id != user.user_id)
        {
            return Ok(Created::Taken);
        }
        users.insert(user.email.clone(), user.clone());
        Ok(Created::New)
    }

    async fn set_password(
        &self,
        email: &Email,
        hash: &PasswordHash,
    ) -> Result<Option<UserId>, UsersError> {
        Ok(self.users().get_mut(email).map(|user| {
            user.password_hash = hash.clone();
            user.password_version += 1;
            user.user_id.clone()
        }))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::MemoryUsers;
    use crate::{Argon2id, Created, NewEmail, NewPassword, PasswordHash, Passwords, User, Users};

    fn user() -> User {
        let email = NewEmail::parse("admin@example.com").unwrap();
        User::new(
            email,
            PasswordHash::of_nobody(),
            jiff::Timestamp::UNIX_EPOCH,
        )
    }

    #[tokio::test]
    async fn a_second_user_of_an_email_is_refused_and_changes_nothing() {
        let (users, first) = (MemoryUsers::new(), user());
        assert_eq!(users.create(&first).await.unwrap(), Created::New);
        assert_eq!(users.create(&user()).await.unwrap(), Created::Taken);
        assert_eq!(users.find(&first.email).await.unwrap(), Some(first));
    }

    #[tokio::test]
    async fn another_password_leaves_the_user_the_same() {
        let (users, user) = (MemoryUsers::new(), user());
        users.create(&user).await.unwrap();
        let hash = Argon2id::new()
            .hash(&NewPassword::parse("supersecret").unwrap())
            .unwrap();
        let set = users.set_password(&user.email, &hash).await.unwrap();
        assert_eq!(set.as_ref(), Some(&user.user_id));
        let found = users.find(&user.email).await.unwrap().unwrap();
        assert!(Argon2id::new().verify("supersecret", &found.password_hash));
        assert_eq!(found.password_version, user.password_version + 1);
        assert_eq!(
            User {
                password_hash: user.password_hash.clone(),
                password_version: user.password_version,
                ..found
            },
            user
        );
    }

    #[tokio::test]
    async fn nobody_is_given_no_password() {
        let set = MemoryUsers::new()
            .set_password(&user().email, &PasswordHash::of_nobody())
            .await;
        assert_eq!(set.unwrap(), None);
    }
}
