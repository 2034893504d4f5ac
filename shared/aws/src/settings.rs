//! Settings about AWS, read from environment variables, with all problems reported at once.

use thiserror::Error;

use crate::{roots::Roots, sdk::Variables};

/// The region.
const REGION: &str = "AWS_REGION";
/// Another server than AWS: an emulator. For one service a name follows.
pub(crate) const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
const SERVICES: [&str; 4] = ["", "_DYNAMODB", "_SQS", "_SECRETS_MANAGER"];
const USE_FIPS: &str = "AWS_USE_FIPS_ENDPOINT";
const USE_DUAL_STACK: &str = "AWS_USE_DUALSTACK_ENDPOINT";

/// What is wrong with the variables about AWS.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the configuration for AWS is wrong: {}", .problems.join("; "))]
pub struct ConfigError {
    problems: Vec<String>,
}

/// What the variables say.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) region: Option<String>,
    pub(crate) endpoint_url: Option<String>,
    pub(crate) use_fips: bool,
    pub(crate) use_dual_stack: bool,
    pub(crate) roots: Roots,
}

impl Settings {
    /// The settings of a function. It trusts Amazon's roots, or those that `AWS_CA_BUNDLE` names.
    pub(crate) fn of(variables: &Variables) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut flag = |name| {
            let value = variables.get(name).unwrap_or_default();
            let is_true = value.eq_ignore_ascii_case("true");
            if !is_true && !value.is_empty() && !value.eq_ignore_ascii_case("false") {
                problems.push(format!("{name}: must be true or false"));
            }
            is_true
        };
        let (use_fips, use_dual_stack) = (flag(USE_FIPS), flag(USE_DUAL_STACK));
        let region = variables.get(REGION);
        // The SDK would refuse each request.
        for (name, _) in [(USE_FIPS, use_fips), (USE_DUAL_STACK, use_dual_stack)]
            .into_iter()
            .filter(|(_, is_used)| *is_used)
        {
            let urls = SERVICES.map(|service| format!("{ENDPOINT_URL}{service}"));
            let urls = urls.iter().filter(|url| variables.get(url).is_some());
            problems.extend(urls.map(|url| format!("{name} and {url} exclude each other")));
        }
        let roots = match Roots::of_bundle(variables) {
            Ok(Some(roots)) => roots,
            Ok(None) => {
                problems.extend(region.as_deref().and_then(without_amazons_roots));
                Roots::amazon()
            }
            Err(problem) => {
                problems.push(problem);
                Roots::amazon()
            }
        };
        if !problems.is_empty() {
            return Err(ConfigError { problems });
        }
        Ok(Self {
            region,
            endpoint_url: variables.get(ENDPOINT_URL),
            use_fips,
            use_dual_stack,
            roots,
        })
    }
}

/// Why Amazon's roots do not do in a region, if so. The isolated partitions (`us-iso-…`, `us-isob-…`, `eu-isoe-…`, `us-isof-…`) have roots of
/// their own; the European Sovereign Cloud has, too, but they are cross-signed by Amazon's.
///
/// Sources: the SDK's list of partitions; <https://www.amazontrust.com/repository/>.
fn without_amazons_roots(region: &str) -> Option<String> {
    let is_isolated = region.split('-').nth(1)?.starts_with("iso");
    is_isolated.then(|| {
        format!(
            "AWS_CA_BUNDLE is not set: in {region} certificates do not go back to Amazon's roots, so it must name a file \
             with the root certificates of that partition"
        )
    })
}

/// The roots that an operator's program trusts: the system's, or those that `AWS_CA_BUNDLE` names.
pub(crate) fn operators_roots(variables: &Variables) -> Result<Roots, ConfigError> {
    let of_bundle = Roots::of_bundle(variables).map_err(|problem| ConfigError {
        problems: vec![problem],
    });
    Ok(of_bundle?.unwrap_or(Roots::System))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::Settings;
    use crate::sdk::Variables;

    fn settings<const N: usize>(
        variables: [(&'static str, &'static str); N],
    ) -> Result<Settings, String> {
        let variables = Variables::of(move |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        Settings::of(&variables).map_err(|error| error.to_string())
    }

    #[test]
    fn fips_and_dual_stack_are_off_unless_they_are_switched_on() {
        for (value, expected) in [
            ("", false),
            ("false", false),
            ("true", true),
            ("TRUE", true),
        ] {
            let read = settings([("AWS_USE_FIPS_ENDPOINT", value)]).unwrap();
            assert_eq!((read.use_fips, read.use_dual_stack), (expected, false));
            let read = settings([("AWS_USE_DUALSTACK_ENDPOINT", value)]).unwrap();
            assert_eq!((read.use_fips, read.use_dual_stack), (false, expected));
        }
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let problems = settings([
            ("AWS_REGION", "us-iso-east-1"),
            ("AWS_USE_FIPS_ENDPOINT", "yes"),
            ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
            ("AWS_ENDPOINT_URL_SQS", "http://localhost:4566"),
        ]);
        let expected = "the configuration for AWS is wrong: \
             AWS_USE_FIPS_ENDPOINT: must be true or false; \
             AWS_USE_DUALSTACK_ENDPOINT and AWS_ENDPOINT_URL_SQS exclude each other; \
             AWS_CA_BUNDLE is not set: in us-iso-east-1 certificates do not go back to Amazon's roots, \
             so it must name a file with the root certificates of that partition";
        assert_eq!(problems.err().as_deref(), Some(expected));
        let missing = settings([("AWS_CA_BUNDLE", "/no/such/file")]);
        assert!(missing.is_err_and(|error| error.contains("AWS_CA_BUNDLE: /no/such/file: ")));
    }

    #[test]
    fn an_isolated_region_needs_roots_of_its_own_and_no_other_does() {
        for region in [
            "us-iso-east-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
            "us-isof-south-1",
        ] {
            assert!(settings([("AWS_REGION", region)]).is_err(), "{region}");
        }
        for region in [
            "eu-central-1",
            "us-gov-west-1",
            "cn-north-1",
            "eusc-de-east-1",
        ] {
            assert!(settings([("AWS_REGION", region)]).is_ok(), "{region}");
        }
    }
}
