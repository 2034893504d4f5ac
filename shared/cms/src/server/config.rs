//! What the program `cms-stub` has to know, from the environment.

use std::env::{self, VarError};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::{ApiKey, Faults};

/// The configuration of the program `cms-stub`.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// `CMS_STUB_ADDRESS`: the IP address and port to listen on, such as `127.0.0.1:4600`.
    pub address: SocketAddr,
    /// `CMS_API_KEY`: what every write has to present. Not set: nothing.
    pub api_key: Option<ApiKey>,
    /// `CMS_STUB_FAULTS`: what to fail at, from the start. Not set, or blank: nothing.
    pub faults: Faults,
}

/// All that is wrong with the configuration, one problem a line.
#[derive(Debug, thiserror::Error)]
pub struct ConfigProblems(Vec<String>);

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl ServerConfig {
    /// Reads the environment.
    pub fn from_env() -> Result<Self, ConfigProblems> {
        Self::read(|name| env::var(name))
    }

    fn read(variable: impl Fn(&str) -> Result<String, VarError>) -> Result<Self, ConfigProblems> {
        let address = optional(&variable, "CMS_STUB_ADDRESS").and_then(|address| {
            address.ok_or("CMS_STUB_ADDRESS is not set; 127.0.0.1:4600, for example".to_owned())
        });
        let api_key = optional(&variable, "CMS_API_KEY");
        let faults = optional(&variable, "CMS_STUB_FAULTS");
        match (address, api_key, faults) {
            (Ok(address), Ok(api_key), Ok(faults)) => Ok(Self {
                address,
                api_key,
                faults: faults.unwrap_or_default(),
            }),
            (address, api_key, faults) => Err(ConfigProblems(
                [address.err(), api_key.err(), faults.err()]
                    .into_iter()
                    .flatten()
                    .collect(),
            )),
        }
    }
}

fn optional<T>(
    variable: impl Fn(&str) -> Result<String, VarError>,
    name: &str,
) -> Result<Option<T>, String>
where
    T: FromStr<Err: fmt::Display>,
{
    match variable(name) {
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("{name}: it is not Unicode")),
        Ok(text) => text
            .parse()
            .map(Some)
            .map_err(|error| format!("{name}: {error}")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<ServerConfig, ConfigProblems> {
        ServerConfig::read(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
                .ok_or(VarError::NotPresent)
        })
    }

    #[test]
    fn the_address_is_enough() {
        let config = read(&[("CMS_STUB_ADDRESS", "127.0.0.1:4600")]).unwrap();
        assert_eq!(config.address.port(), 4600);
        assert!(config.api_key.is_none());
        assert!(config.faults.is_empty());
    }

    #[test]
    fn every_problem_is_reported_at_once_and_no_secret_is_quoted() {
        let problems = read(&[
            ("CMS_API_KEY", "k3y with spaces"),
            ("CMS_STUB_FAULTS", r#"[{"operation":"create"}, 7]"#),
        ])
        .unwrap_err()
        .to_string();
        let lines: Vec<_> = problems.lines().collect();
        assert_eq!(lines.len(), 3, "{problems}");
        for expected in [
            "CMS_STUB_ADDRESS is not set",
            "CMS_API_KEY: the api key holds",
            "fault rule 1: missing field `kind`; fault rule 2: invalid type",
        ] {
            assert!(
                problems.contains(expected),
                "{expected:?} is not in {problems:?}"
            );
        }
        assert!(!problems.contains("k3y"));
    }
}
