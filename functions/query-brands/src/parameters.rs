//! The parameters in a query string, with Medusa's messages for what is wrong with them.

use std::{num::IntErrorKind, ops::RangeInclusive};

use admin_api::{ApiError, shown};
use lambda_http::Request;

/// The parameters in the order in which they were sent, and what is wrong with them.
pub(crate) struct Parameters {
    given: Vec<(String, String)>,
    problems: Vec<String>,
}

impl Parameters {
    pub(crate) fn of(request: &Request) -> Self {
        let query = request.uri().query().unwrap_or_default();
        Self {
            given: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            problems: Vec::new(),
        }
    }

    /// Takes a parameter that is text. The answer is of use only if [`finish`](Self::finish) finds no problem.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let mut values = self.given.extract_if(.., |(known, _)| known == name);
        let value = values.next().map(|(_, value)| value);
        if values.count() > 0 {
            self.problem(format!("Field '{name}' is given more than once"));
        }
        value
    }

    /// Takes a parameter that is a whole number within that range. Likewise.
    pub(crate) fn number(&mut self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let text = self.text(name)?;
        let (least, most) = (i64::from(*range.start()), i64::from(*range.end()));
        let number = match text.parse::<i64>() {
            Ok(number) => number,
            Err(error) => match error.kind() {
                IntErrorKind::PosOverflow => i64::MAX,
                IntErrorKind::NegOverflow => i64::MIN,
                _ => {
                    let shown = shown(&text);
                    self.problem(format!(
                        "Expected type: 'number' for field '{name}', got: '{shown}'"
                    ));
                    return None;
                }
            },
        };
        if number < least {
            self.problem(format!(
                "Value for field '{name}' too small, expected at least: '{least}'"
            ));
        } else if number > most {
            self.problem(format!(
                "Value for field '{name}' too big, expected at most: '{most}'"
            ));
        }
        u32::try_from(number.clamp(0, u32::MAX.into())).ok()
    }

    /// Notes that there is something wrong.
    pub(crate) fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Whether nothing was wrong and nothing is left over.
    pub(crate) fn finish(mut self) -> Result<(), ApiError> {
        let mut names: Vec<&str> = self.given.iter().map(|(name, _)| name.as_str()).collect();
        names.dedup();
        if !names.is_empty() {
            let names = names.join(", ");
            self.problems
                .push(format!("Unrecognized fields: '{names}'"));
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        let problems = self.problems.join("; ");
        Err(ApiError::InvalidData(format!(
            "Invalid request: {problems}"
        )))
    }
}
