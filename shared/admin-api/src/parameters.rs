//! The parameters in a query string, with Medusa's messages for what is wrong with them.

use std::{num::IntErrorKind, ops::RangeInclusive};

use lambda_http::Request;

use crate::{ApiError, shown};

/// The parameters of a query in the order in which they were sent, and what is wrong with them. A parameter that is taken is of use only if
/// [`finish`](Self::finish) finds no problem.
#[derive(Clone, Debug)]
pub struct Parameters {
    given: Vec<(String, String)>,
    problems: Vec<String>,
}

impl Parameters {
    /// Those of a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let query = request.uri().query().unwrap_or_default();
        Self {
            given: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            problems: Vec::new(),
        }
    }

    /// Takes a parameter that is text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let mut values = self.given.extract_if(.., |(known, _)| known == name);
        let value = values.next().map(|(_, value)| value);
        if values.count() > 0 {
            self.problem(format!("Field '{name}' is given more than once"));
        }
        value
    }

    /// Takes a parameter that is a whole number within that range.
    pub fn number(&mut self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
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

    /// Takes a parameter that is `true` or `false`; false where it is not there.
    pub fn flag(&mut self, name: &str) -> bool {
        match self.text(name).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                let shown = shown(other);
                self.problem(format!(
                    "Expected type: 'boolean' for field '{name}', got: '{shown}'"
                ));
                false
            }
        }
    }

    /// Takes a parameter that is a list, in the ways in which lists are written: `name=a&name=b`, `name[]=a`, `name[0]=a`. None
    /// where it is not there.
    pub fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let is_of_list = |known: &str| {
            let index = known.strip_prefix(name)?;
            let index = if index.is_empty() {
                index
            } else {
                index.strip_prefix('[')?.strip_suffix(']')?
            };
            index
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then_some(())
        };
        let values = self
            .given
            .extract_if(.., |(known, _)| is_of_list(known).is_some());
        let values: Vec<String> = values.map(|(_, value)| value).collect();
        Some(values).filter(|values| !values.is_empty())
    }

    /// Notes that there is something wrong.
    pub fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Whether nothing was wrong and nothing is left over.
    pub fn finish(mut self) -> Result<(), ApiError> {
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
