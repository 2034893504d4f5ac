//! The rules by which the stub fails, read from JSON.
//!
//! ```json
//! [{"operation": "create", "name": "Doomed", "kind": "permanent", "when": "after"},
//!  {"kind": "transient", "times": 2, "retry_after_seconds": 1}]
//! ```
//!
//! The README of this crate has the table of fields and kinds. The first rule that applies decides.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::reply::{Reply, RetryAfter};

/// What the stub fails at. The default is: at nothing.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    rules: Vec<Rule>,
}

/// Why a text is not a list of fault rules.
#[derive(Debug, thiserror::Error)]
pub enum FaultsError {
    /// The text is not a JSON list.
    #[error("the faults are not a JSON list: {source}")]
    NotAList {
        /// What the parser says, and where.
        #[from]
        source: serde_json::Error,
    },
    /// All rules that are wrong.
    #[error("{}", .0.join("; "))]
    Rules(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
    Retrieve,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Transient,
    Permanent,
    Unauthorized,
    Forbidden,
    Conflict,
    Errors,
    Page,
    Limit,
    Hang,
}

/// Whether the call does its work before it fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum When {
    #[default]
    Before,
    After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Only {
    Existing,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    operation: Option<Operation>,
    name: Option<String>,
    only: Option<Only>,
    kind: Kind,
    #[serde(default)]
    when: When,
    times: Option<NonZeroU32>,
    status: Option<u16>,
    retry_after_seconds: Option<u64>,
    #[serde(default)]
    retry_after_date: bool,
    #[serde(default)]
    kept: bool,
    per_second: Option<NonZeroU32>,
    /// Of a limit: when the current second began, and how many calls came in it.
    #[serde(skip)]
    second: Option<(Instant, u32)>,
}

/// A call, as the rules see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Struck<'a> {
    pub(crate) operation: Operation,
    /// The brand's name, where it is known.
    pub(crate) name: Option<&'a str>,
    /// Whether the CMS holds the brand.
    pub(crate) exists: bool,
}

/// How a call fails.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    pub(crate) when: When,
    /// What is answered; none where no answer ever comes.
    pub(crate) reply: Option<Reply>,
    /// Whether the answer is kept under the call's idempotency key.
    pub(crate) kept: bool,
}

impl Faults {
    /// Reads a JSON list of rules. A blank text is no rules: that is how an unset template parameter arrives.
    pub fn from_json(text: &str) -> Result<Self, FaultsError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let values: Vec<serde_json::Value> = serde_json::from_str(text)?;
        let mut rules = Vec::with_capacity(values.len());
        let mut problems = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            match Rule::parse(value) {
                Ok(rule) => rules.push(rule),
                Err(reason) => problems.push(format!("fault rule {}: {reason}", index + 1)),
            }
        }
        if problems.is_empty() {
            Ok(Self { rules })
        } else {
            Err(FaultsError::Rules(problems))
        }
    }

    /// More rules, which come after those that there are.
    pub(crate) fn add(&mut self, more: Self) {
        self.rules.extend(more.rules);
    }

    /// Whether there is no rule (left).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The fault that this call suffers, if any. A rule that has been applied as often as it said is gone.
    pub(crate) fn strike(&mut self, call: Struck<'_>) -> Option<Fault> {
        let mut rules = self.rules.iter_mut();
        let position = rules.position(|rule| rule.applies_to(call))?;
        let rule = self.rules.get_mut(position)?;
        let fault = Fault {
            when: rule.when,
            reply: rule.reply(),
            kept: rule.kept,
        };
        if let Some(times) = rule.times {
            rule.times = NonZeroU32::new(times.get() - 1);
            if rule.times.is_none() {
                self.rules.remove(position);
            }
        }
        Some(fault)
    }
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_json(text)
    }
}

impl Rule {
    fn parse(value: serde_json::Value) -> Result<Self, String> {
        let rule: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        let is_transient = rule.kind == Kind::Transient;
        let may_wait = is_transient || rule.kind == Kind::Limit;
        if (rule.retry_after_seconds.is_some() || rule.retry_after_date) && !may_wait {
            return Err("retry_after_seconds goes with the kinds transient and limit".to_owned());
        }
        if rule.retry_after_date && rule.retry_after_seconds.is_none() {
            return Err("retry_after_date goes with retry_after_seconds".to_owned());
        }
        if rule.per_second.is_some() != (rule.kind == Kind::Limit) {
            return Err("the kind limit, and no other, has per_second".to_owned());
        }
        match (rule.kind, rule.status) {
            (_, None)
            | (Kind::Transient, Some(408 | 425 | 429 | 500..=599))
            | (Kind::Permanent, Some(400..=499)) => Ok(rule),
            (Kind::Transient, _) => Err("a transient status is 408, 425, 429 or 5xx".to_owned()),
            (Kind::Permanent, _) => Err("a permanent status is 4xx".to_owned()),
            _ => Err("status goes with the kinds transient and permanent".to_owned()),
        }
    }

    fn applies_to(&mut self, call: Struck<'_>) -> bool {
        let applies = self
            .operation
            .is_none_or(|operation| operation == call.operation)
            && (self.name.is_none() || self.name.as_deref() == call.name)
            && (self.only.is_none() || call.exists);
        match self.per_second {
            Some(limit) if applies => self.is_exceeded(limit.get()),
            _ => applies,
        }
    }

    /// Counts a call. Whether it is one too many in its second.
    fn is_exceeded(&mut self, limit: u32) -> bool {
        let now = Instant::now();
        let (begun, calls) = match self.second {
            Some((begun, calls)) if now.duration_since(begun) < Duration::from_secs(1) => {
                (begun, calls)
            }
            _ => (now, 0),
        };
        self.second = Some((begun, calls.saturating_add(1)));
        calls >= limit
    }

    fn reply(&self) -> Option<Reply> {
        let failed = |status, message: &str| Some(Reply::message(status, message));
        let reply = match self.kind {
            Kind::Hang => None,
            Kind::Transient => failed(
                self.status.unwrap_or(503),
                "the stub was told to be unavailable",
            ),
            Kind::Permanent => failed(
                self.status.unwrap_or(422),
                "the stub was told to refuse this",
            ),
            Kind::Unauthorized => failed(401, "the api key has expired"),
            Kind::Forbidden => failed(403, "the api key does not permit this"),
            Kind::Conflict => failed(409, "the name is taken by another entry"),
            Kind::Limit => failed(429, "too many requests"),
            Kind::Errors => {
                let body =
                    json!({"errors": [{"message": "the stub was told to fail in the body"}]});
                Some(Reply::json(200, body))
            }
            Kind::Page => Some(Reply::page("<html><h1>Down for maintenance</h1></html>")),
        };
        let retry_after = self.retry_after_seconds.map(|seconds| RetryAfter {
            wait: Duration::from_secs(seconds),
            as_date: self.retry_after_date,
        });
        reply.map(|reply| Reply {
            retry_after,
            ..reply
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn reason(json: &str) -> String {
        Faults::from_json(json).unwrap_err().to_string()
    }

    fn call(operation: Operation, name: Option<&str>) -> Struck<'_> {
        Struck {
            operation,
            name,
            exists: false,
        }
    }

    fn status(fault: Option<Fault>) -> u16 {
        fault.unwrap().reply.unwrap().status
    }

    #[test]
    fn a_rule_applies_as_often_as_it_says_and_to_the_name_it_gives() {
        let mut faults = Faults::from_json(
            r#"[{"operation":"create","name":"Doomed","kind":"transient","times":2,"retry_after_seconds":3},
                {"operation":"delete","kind":"hang","when":"after"}]"#,
        )
        .unwrap();
        let (doomed, acme) = (Some("Doomed"), Some("Acme"));
        assert_eq!(faults.strike(call(Operation::Create, acme)), None);
        for _ in 0..2 {
            let fault = faults.strike(call(Operation::Create, doomed)).unwrap();
            assert_eq!(fault.when, When::Before);
            let wait = fault.reply.unwrap().retry_after.unwrap().wait;
            assert_eq!(wait, Duration::from_secs(3));
        }
        assert_eq!(faults.strike(call(Operation::Create, doomed)), None);
        for name in [None, acme, doomed] {
            let fault = faults.strike(call(Operation::Delete, name)).unwrap();
            assert_eq!((fault.reply, fault.when), (None, When::After));
        }
    }

    #[test]
    fn the_first_rule_that_applies_decides() {
        let mut faults = Faults::from_json(
            r#"[{"operation":"create","kind":"transient","times":1},
                {"operation":"create","kind":"permanent","status":400}]"#,
        )
        .unwrap();
        let statuses = [(); 3].map(|()| status(faults.strike(call(Operation::Create, None))));
        assert_eq!(statuses, [503, 400, 400]);
    }

    #[test]
    fn a_rule_without_an_operation_applies_to_all_of_them() {
        let mut faults = Faults::from_json(r#"[{"kind":"unauthorized"}]"#).unwrap();
        for operation in [
            Operation::Create,
            Operation::Update,
            Operation::Delete,
            Operation::Retrieve,
        ] {
            assert_eq!(status(faults.strike(call(operation, None))), 401);
        }
    }

    #[test]
    fn a_rule_for_existing_brands_spares_new_ones() {
        let mut faults =
            Faults::from_json(r#"[{"operation":"create","only":"existing","kind":"transient"}]"#)
                .unwrap();
        let new = call(Operation::Create, Some("Acme"));
        assert_eq!(faults.strike(new), None);
        let existing = Struck {
            exists: true,
            ..new
        };
        assert_eq!(status(faults.strike(existing)), 503);
    }

    #[test]
    fn a_blank_text_has_no_rules() {
        assert!(Faults::from_json(" \n").unwrap().is_empty());
        assert!(Faults::from_json("[]").unwrap().is_empty());
    }

    #[test]
    fn every_wrong_rule_is_reported_with_its_number_and_reason() {
        let reason = reason(
            r#"[{"operation":"create","kind":"transient","tims":1},
                {"operation":"upsert","kind":"transient"},
                {"operation":"create","kind":"transient","when":"before"},
                {"operation":"create"},
                {"kind":"transient","times":0},
                {"kind":"permanent","retry_after_seconds":1},
                {"kind":"transient","retry_after_date":true},
                {"kind":"limit"},
                {"kind":"transient","per_second":3},
                {"kind":"transient","status":400},
                {"kind":"permanent","status":500},
                {"kind":"conflict","status":409},
                {"kind":"transient","only":"new"}]"#,
        );
        for expected in [
            "fault rule 1: unknown field `tims`, expected one of `operation`, `name`",
            "fault rule 2: unknown variant `upsert`, expected one of `create`, `update`, `delete`, `retrieve`",
            "fault rule 4: missing field `kind`",
            "fault rule 5: invalid value: integer `0`, expected a nonzero u32",
            "fault rule 6: retry_after_seconds goes with the kinds transient and limit",
            "fault rule 7: retry_after_date goes with retry_after_seconds",
            "fault rule 8: the kind limit, and no other, has per_second",
            "fault rule 9: the kind limit, and no other, has per_second",
            "fault rule 10: a transient status is 408, 425, 429 or 5xx",
            "fault rule 11: a permanent status is 4xx",
            "fault rule 12: status goes with the kinds transient and permanent",
            "fault rule 13: unknown variant `new`, expected `existing`",
        ] {
            assert!(
                reason.contains(expected),
                "{expected:?} is not in {reason:?}"
            );
        }
        assert!(!reason.contains("rule 3:"), "{reason}");
    }

    #[test]
    fn a_text_that_is_not_a_list_is_refused_with_the_place() {
        let reason = reason(r#"{"operation":"create"}"#);
        assert!(
            reason.starts_with("the faults are not a JSON list: invalid type: map"),
            "{reason}"
        );
        assert!(reason.contains("line 1 column 0"), "{reason}");
    }
}
