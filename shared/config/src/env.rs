//! Environment variables, with all problems reported at once.

use std::{fmt::Display, str::FromStr};

use thiserror::Error;

/// What is wrong with the environment variables: everything that is, by name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the configuration is incomplete: {}", .problems.join("; "))]
pub struct ConfigError {
    problems: Vec<String>,
}

type Lookup = Box<dyn Fn(&str) -> Option<String> + Send>;

/// Reads environment variables and remembers what is wrong with them.
///
/// ```
/// # fn main() -> Result<(), config::ConfigError> {
/// struct Config {
///     table: String,
///     receives: u32,
/// }
///
/// let mut env = config::Env::of([("TABLE", "brands"), ("RECEIVES", "5")]);
/// let table = env.text("TABLE");
/// let receives = env.parse("RECEIVES").unwrap_or_default();
/// let config = env.finish(Config { table, receives })?;
/// assert_eq!((config.table.as_str(), config.receives), ("brands", 5));
/// # Ok(())
/// # }
/// ```
pub struct Env {
    lookup: Lookup,
    problems: Vec<String>,
}

impl Env {
    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::with(|name| std::env::var(name).ok())
    }

    /// These variables and no others.
    #[must_use]
    pub fn of<const N: usize>(variables: [(&'static str, &'static str); N]) -> Self {
        Self::with(move |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn with(lookup: impl Fn(&str) -> Option<String> + Send + 'static) -> Self {
        Self {
            lookup: Box::new(lookup),
            problems: Vec::new(),
        }
    }

    /// A variable that may be missing; an empty one counts as missing.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// A variable that must be there. The answer is of use only if [`finish`](Self::finish) finds no problem.
    pub fn text(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.problems.push(format!("{name} is not set"));
            String::new()
        })
    }

    /// A variable that must be there and be a `T`; none only if [`finish`](Self::finish) is going to report why.
    pub fn parse<T>(&mut self, name: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let Some(value) = self.optional(name) else {
            self.problems.push(format!("{name} is not set"));
            return None;
        };
        value
            .parse()
            .inspect_err(|error| self.problems.push(format!("{name}: {error}")))
            .ok()
    }

    /// Notes that there is something wrong with a variable.
    pub fn problem(&mut self, name: &str, problem: impl Display) {
        self.problems.push(format!("{name}: {problem}"));
    }

    /// The configuration, if nothing was wrong with any variable.
    pub fn finish<T>(self, config: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError {
                problems: self.problems,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Env;

    #[test]
    fn every_problem_is_reported_at_once_and_no_value_is_told() {
        let mut env = Env::of([("RECEIVES", "hunter2"), ("EMPTY", "")]);
        let table = env.text("TABLE");
        let empty = env.text("EMPTY");
        let receives: Option<u32> = env.parse("RECEIVES");
        let error = env
            .finish((table, empty, receives))
            .map_err(|error| error.to_string());
        let expected = "the configuration is incomplete: TABLE is not set; EMPTY is not set; \
                        RECEIVES: invalid digit found in string";
        assert_eq!(error, Err(expected.to_owned()));
    }

    #[test]
    fn a_complete_configuration_is_answered() {
        let mut env = Env::of([("TABLE", "brands"), ("RECEIVES", "5")]);
        let config = (
            env.text("TABLE"),
            env.parse::<u32>("RECEIVES"),
            env.optional("OTHER"),
        );
        assert_eq!(env.finish(config), Ok(("brands".to_owned(), Some(5), None)));
    }
}
