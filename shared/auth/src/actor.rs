//! Who acts.

/// Who sent a request, as the token with it says. [`Authenticate`](crate::Authenticate) puts it into the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    id: String,
}

impl Actor {
    /// The actor of that id; none where the id is empty, since Medusa's tokens have that for whoever is registered but is
    /// nobody yet.
    pub fn of(id: impl Into<String>) -> Option<Self> {
        let id = id.into();
        (!id.is_empty()).then_some(Self { id })
    }

    /// The id of the user who acts. Never empty.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}
