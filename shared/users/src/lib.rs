//! The users of the admin API: who may sign in, and with which password.
//!
//! The types parse at the edge and are trusted from there on. The port [`Users`] has an implementation on DynamoDB, and one in
//! memory for tests. Passwords are kept as hashes alone, see [`Argon2id`].

mod dynamodb;
mod email;
mod id;
mod memory;
mod model;
mod new_email;
mod password;
mod password_changes;
mod password_hash;
mod store;

pub use dynamodb::DynamoDbUsers;
pub use email::{Email, InvalidEmail};
pub use id::{AuthIdentityId, UserId};
pub use memory::MemoryUsers;
pub use model::User;
pub use new_email::{InvalidNewEmail, NewEmail};
pub use password::{InvalidPassword, NewPassword};
pub use password_changes::PasswordChanges;
pub use password_hash::{Argon2id, HashError, InvalidPasswordHash, PasswordHash, Passwords};
pub use store::{Created, Users, UsersError};
