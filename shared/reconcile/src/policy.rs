//! What follows from a difference, as the operator chose it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What follows from each kind of difference. By default it is reported, and nothing is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// `CmsEdits`: an editor has renamed or deleted the entry of a brand.
    pub edits: Edits,
    /// `CmsConflicts`: the name has been changed on both sides.
    pub conflicts: Conflicts,
    /// `CmsMade`: an editor has made an entry without a brand.
    pub made: Made,
    /// `CmsOrphans`: an entry bears the id of a brand that there is not.
    pub orphans: Orphans,
}

macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$choice_doc:meta])* $choice:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            /// The report has it; nothing is changed.
            #[default]
            Report,
            $($(#[$choice_doc])* $choice,)+
        }

        impl $name {
            /// All choices.
            pub const ALL: &'static [Self] = &[Self::Report, $(Self::$choice),+];
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(match self {
                    Self::Report => "report",
                    $(Self::$choice => $text,)+
                })
            }
        }

        impl FromStr for $name {
            type Err = NotAPolicy;

            fn from_str(text: &str) -> Result<Self, NotAPolicy> {
                match text {
                    "report" => Ok(Self::Report),
                    $($text => Ok(Self::$choice),)+
                    _ => Err(NotAPolicy(concat!("report", $(", ", $text),+))),
                }
            }
        }
    };
}

choices! {
    /// What follows where an editor has renamed or deleted the entry of a brand.
    Edits {
        /// The CMS is brought back to what is here.
        Overwrite = "overwrite",
        /// The brand is renamed or deleted here.
        Accept = "accept",
    }
}

choices! {
    /// What follows where the name has been changed on both sides.
    Conflicts {
        /// The CMS gets the name that the brand has here.
        Ours = "ours",
        /// The brand gets the name that it has in the CMS.
        Theirs = "theirs",
    }
}

choices! {
    /// What follows where an editor has made an entry without a brand.
    Made {
        /// It becomes a brand, and the entry gets its id.
        Create = "create",
    }
}

choices! {
    /// What follows where an entry bears the id of a brand that there is not.
    Orphans {
        /// It is deleted in the CMS.
        Delete = "delete",
    }
}

/// The text is none of the choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be one of {0}")]
pub struct NotAPolicy(&'static str);

#[cfg(test)]
mod tests {
    use super::{Conflicts, Edits, Made, NotAPolicy, Orphans, Policies};

    #[test]
    fn a_policy_is_read_as_it_is_written_and_nothing_else_is() {
        macro_rules! check {
            ($($name:ident)+) => {$(
                for choice in $name::ALL {
                    assert_eq!(choice.to_string().parse(), Ok(*choice));
                    assert_eq!(serde_json::json!(choice), choice.to_string());
                }
                assert!("Report".parse::<$name>().is_err());
                assert!("".parse::<$name>().is_err());
            )+};
        }
        check!(Edits Conflicts Made Orphans);
        let refused = "merge".parse::<Conflicts>();
        assert_eq!(refused, Err(NotAPolicy("report, ours, theirs")));
    }

    #[test]
    fn without_a_choice_nothing_is_changed() {
        let policies = Policies {
            edits: Edits::Report,
            conflicts: Conflicts::Report,
            made: Made::Report,
            orphans: Orphans::Report,
        };
        assert_eq!(Policies::default(), policies);
    }
}
