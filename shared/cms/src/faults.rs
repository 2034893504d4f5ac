//! The rules by which the stub fails, read from JSON.
//!
//! ```json
//! [{"operation": "create", "name": "Doomed", "kind": "permanent", "when": "after"},
//!  {"operation": "delete", "kind": "transient", "when": "before", "times": 2, "retry_after_seconds": 1}]
//! ```
//!
//! `name` absent means any brand, `times` absent means always, and the first rule that applies decides.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// What the stub is told to fail at. The default is: at nothing.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    rules: Vec<Rule>,
}

/// Why a text is no list of fault rules.
#[derive(Debug, thiserror::Error)]
pub enum FaultsError {
    /// The text is no JSON list.
    #[error("the faults are no JSON list: {source}")]
    NotAList {
        /// What the parser says, and where.
        #[from]
        source: serde_json::Error,
    },
    /// Some rules are wrong. All of them are told.
    #[error("{}", .0.join("; "))]
    Rules(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
    Retrieve,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FaultKind {
    Transient,
    Permanent,
    /// No answer ever comes.
    Hang,
}

/// Whether the call does its work before it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum When {
    Before,
    After,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    operation: Operation,
    name: Option<String>,
    kind: FaultKind,
    when: When,
    times: Option<NonZeroU32>,
    retry_after_seconds: Option<u64>,
}

/// One fault, to be suffered now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) when: When,
    pub(crate) retry_after: Option<Duration>,
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
    pub(crate) fn strike(&mut self, operation: Operation, name: Option<&str>) -> Option<Fault> {
        let position = self
            .rules
            .iter()
            .position(|rule| rule.applies_to(operation, name))?;
        let rule = self.rules.get_mut(position)?;
        let fault = Fault {
            kind: rule.kind,
            when: rule.when,
            retry_after: rule.retry_after_seconds.map(Duration::from_secs),
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
        if rule.retry_after_seconds.is_some() && rule.kind != FaultKind::Transient {
            return Err("retry_after_seconds goes with the kind transient only".to_owned());
        }
        Ok(rule)
    }

    fn applies_to(&self, operation: Operation, name: Option<&str>) -> bool {
        self.operation == operation && (self.name.is_none() || self.name.as_deref() == name)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn reason(json: &str) -> String {
        Faults::from_json(json).unwrap_err().to_string()
    }

    #[test]
    fn a_rule_applies_as_often_as_it_says_and_to_whom_it_names() {
        let mut faults = Faults::from_json(
            r#"[{"operation":"create","name":"Doomed","kind":"transient","when":"before","times":2,"retry_after_seconds":3},
                {"operation":"delete","kind":"hang","when":"after"}]"#,
        )
        .unwrap();
        assert_eq!(faults.strike(Operation::Create, Some("Acme")), None);
        for _ in 0..2 {
            let fault = faults.strike(Operation::Create, Some("Doomed")).unwrap();
            assert_eq!(fault.kind, FaultKind::Transient);
            assert_eq!(fault.when, When::Before);
            assert_eq!(fault.retry_after, Some(Duration::from_secs(3)));
        }
        assert_eq!(faults.strike(Operation::Create, Some("Doomed")), None);
        for name in [None, Some("Acme"), Some("Doomed")] {
            let fault = faults.strike(Operation::Delete, name).unwrap();
            assert_eq!((fault.kind, fault.when), (FaultKind::Hang, When::After));
        }
    }

    #[test]
    fn the_first_rule_that_applies_decides() {
        let mut faults = Faults::from_json(
            r#"[{"operation":"create","kind":"transient","when":"before","times":1},
                {"operation":"create","kind":"permanent","when":"before"}]"#,
        )
        .unwrap();
        let kinds = [(); 3].map(|()| faults.strike(Operation::Create, None).unwrap().kind);
        assert_eq!(
            kinds,
            [
                FaultKind::Transient,
                FaultKind::Permanent,
                FaultKind::Permanent
            ]
        );
    }

    #[test]
    fn a_blank_text_is_no_rules() {
        assert!(Faults::from_json(" \n").unwrap().is_empty());
        assert!(Faults::from_json("[]").unwrap().is_empty());
    }

    #[test]
    fn every_wrong_rule_is_told_with_its_number_and_reason() {
        let reason = reason(
            r#"[{"operation":"create","kind":"transient","when":"before","tims":1},
                {"operation":"upsert","kind":"transient","when":"before"},
                {"operation":"create","kind":"transient","when":"before"},
                {"operation":"create","kind":"transient"},
                {"operation":"create","kind":"transient","when":"before","times":0},
                {"operation":"create","kind":"permanent","when":"before","retry_after_seconds":1}]"#,
        );
        for told in [
            "fault rule 1: unknown field `tims`, expected one of `operation`, `name`",
            "fault rule 2: unknown variant `upsert`, expected one of `create`, `update`, `delete`, `retrieve`",
            "fault rule 4: missing field `when`",
            "fault rule 5: invalid value: integer `0`, expected a nonzero u32",
            "fault rule 6: retry_after_seconds goes with the kind transient only",
        ] {
            assert!(reason.contains(told), "{told:?} is not in {reason:?}");
        }
        assert!(!reason.contains("rule 3"), "{reason}");
    }

    #[test]
    fn what_is_no_list_is_refused_with_the_place() {
        let reason = reason(r#"{"operation":"create"}"#);
        assert!(
            reason.starts_with("the faults are no JSON list: invalid type: map"),
            "{reason}"
        );
        assert!(reason.contains("line 1 column 0"), "{reason}");
    }
}
