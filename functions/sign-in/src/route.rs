//! Who may sign in how: the route's parameters, `/auth/{actor_type}/{auth_provider}`.

use admin_api::{ApiError, shown};
use lambda_http::{Request, RequestExt};

/// Users may sign in with the provider emailpass. What else is asked for is answered as Medusa does:
///
/// - For another actor type it is `not_allowed`, with the words of its middleware `validateScopeProviderAssociation`, as where
///   `authMethodsPerActor` allows that actor type no provider. Where nothing is configured, Medusa signs a customer in; here
///   there are none.
/// - For another provider, one that is not registered, it is `unauthorized`, with the words of its `AuthProviderService`: its
///   auth module turns every error of a provider into a refusal.
///
/// Sources, in the repository medusajs/medusa: `packages/medusa/src/api/auth/utils/validate-scope-provider-association.ts`;
/// `packages/modules/auth/src/services/auth-provider.ts` and `auth-module.ts`.
pub(crate) fn check(request: &Request) -> Result<(), ApiError> {
    let parameters = request.path_parameters_ref();
    let parameter = |name| {
        let value = parameters.and_then(|parameters| parameters.first(name));
        value.unwrap_or_default()
    };
    let (actor_type, provider) = (parameter("actor_type"), parameter("auth_provider"));
    if actor_type != "user" {
        return Err(ApiError::NotAllowed(format!(
            "The actor type {} is not allowed to use the auth provider {}",
            shown(actor_type),
            shown(provider)
        )));
    }
    if provider != "emailpass" {
        return Err(ApiError::SignInRefused(format!(
            "\nUnable to retrieve the auth provider with id: {}\nPlease make sure that the provider is registered in the \
             container and it is configured correctly in your project configuration file.",
            shown(provider)
        )));
    }
    Ok(())
}
