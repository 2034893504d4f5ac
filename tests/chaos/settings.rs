//! What the test is told: by arguments, and by the environment that `infra/local exec --faulty` makes.

use std::{str::FromStr, time::Duration};

use config::Env;
use system_tests::Functions;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How many brands are created.
    pub(crate) brands: usize,
    /// For how long there are faults.
    pub(crate) window: Duration,
    /// How many clients are at work at once.
    pub(crate) concurrency: usize,
    /// What the faults are drawn from.
    pub(crate) seed: u64,
    /// How long it may take, once there are no more faults, until everything is settled.
    pub(crate) patience: Duration,
}

pub(crate) const USAGE: &str = "\
chaos [--brands N] [--seconds N] [--concurrency N] [--seed N] [--patience N]

  --brands       how many brands are created (100)
  --seconds      for how long there are faults (15)
  --concurrency  how many clients are at work at once (50)
  --seed         what the faults are drawn from (random, and printed)
  --patience     how many seconds it may take until everything is settled (240)";

impl Settings {
    /// Reads the arguments, the program's name left out.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut settings = Self {
            brands: 100,
            window: Duration::from_secs(15),
            concurrency: 50,
            seed: fastrand::u64(0..1_000_000_000),
            patience: Duration::from_mins(4),
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().unwrap_or_default();
            match name.as_str() {
                "--brands" => settings.brands = number(&name, &value)?,
                "--seconds" => settings.window = Duration::from_secs(number(&name, &value)?),
                "--concurrency" => settings.concurrency = number(&name, &value)?,
                "--seed" => settings.seed = number(&name, &value)?,
                "--patience" => settings.patience = Duration::from_secs(number(&name, &value)?),
                _ => return Err(format!("{name} is not known\n\n{USAGE}")),
            }
        }
        if settings.brands == 0 || settings.concurrency == 0 || settings.window.is_zero() {
            return Err(format!("none of them may be zero\n\n{USAGE}"));
        }
        Ok(settings)
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{name}: {value:?} is no number\n\n{USAGE}"))
}

/// Where the proxies stand, and what is behind them.
#[derive(Clone, Debug)]
pub(crate) struct Detour {
    /// Where the functions look for AWS, and where it is: as host and port.
    pub(crate) aws: (String, String),
    /// Where they look for the CMS, and where it is.
    pub(crate) cms: (String, String),
    /// The functions' processes.
    pub(crate) functions: Functions,
}

impl Detour {
    pub(crate) fn from_env() -> Result<Self, String> {
        let mut env = Env::of_process();
        let text = [
            "FAULTY_AWS_ADDRESS",
            "AWS_ENDPOINT_URL",
            "FAULTY_CMS_ADDRESS",
            "CMS_URL",
        ]
        .map(|variable| env.text(variable));
        let [aws_here, aws, cms_here, cms] = env
            .finish(text)
            .map_err(|error| format!("this is run by `make chaos`: {error}"))?;
        Ok(Self {
            aws: (aws_here, address(&aws)),
            cms: (cms_here, address(&cms)),
            functions: Functions::from_env()?,
        })
    }
}

/// Host and port of the URL.
fn address(url: &str) -> String {
    let url = url.strip_prefix("http://").unwrap_or(url);
    url.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::Settings;

    fn parse(arguments: &[&str]) -> Result<Settings, String> {
        Settings::parse(arguments.iter().map(|&argument| argument.to_owned()))
    }

    #[test]
    fn what_is_not_said_has_a_default_and_what_is_wrong_is_told() {
        let settings = parse(&["--seed", "7", "--brands", "9"]);
        assert!(settings.is_ok_and(|settings| (settings.seed, settings.brands) == (7, 9)));
        for wrong in [
            &["--brands"][..],
            &["--brands", "x"],
            &["--brands", "0"],
            &["--x", "1"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
