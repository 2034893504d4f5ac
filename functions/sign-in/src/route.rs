//! Who may sign in how: the route's parameters, `/auth/{actor_type}/{auth_provider}`.

use admin_api::{ApiError, shown};
use lambda_http::{Request, RequestExt};

/// Users may sign in with the provider emailpass. Anything else is `not_allowed`, in the words of Medusa's middleware
/// `validateScopeProviderAssociation`, as recorded. Where nothing is configured, Medusa also signs a customer in; here there are
/// none.
pub(crate) fn check(request: &Request) -> Result<(), ApiError> {
    let parameters = request.path_parameters_ref();
    let parameter = |name| {
        let value = parameters.and_then(|parameters| parameters.first(name));
        value.unwrap_or_default()
    };
    match (parameter("actor_type"), parameter("auth_provider")) {
        ("user", "emailpass") => Ok(()),
        (actor_type, provider) => Err(ApiError::NotAllowed(format!(
            "The actor type {} is not allowed to use the auth provider {}",
            shown(actor_type),
            shown(provider)
        ))),
    }
}
