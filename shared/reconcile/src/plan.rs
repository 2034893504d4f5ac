//! What differs in one brand, and what follows from it. Pure: no I/O, no clock.
//!
//! Three values decide: the brand as it is here, the entry that bears its id in the CMS, and the last state that both sides agreed on,
//! which the brand's row keeps.
//!
//! | here | in the CMS | agreed on | class |
//! |---|---|---|---|
//! | under way: leased, due and not marked, or with a run that is not over | any | any | [`InFlight`](Class::InFlight): left alone |
//! | none, or deleted | none | any | [`Equal`](Class::Equal) |
//! | none, or deleted | an entry | any | [`Orphan`](Class::Orphan) |
//! | a name | none | nothing | [`MissingThere`](Class::MissingThere) |
//! | a name | none | a name | [`DeletedThere`](Class::DeletedThere) |
//! | a name | the same | any | [`Equal`](Class::Equal) |
//! | as agreed | another | a name | [`EditedThere`](Class::EditedThere) |
//! | another than agreed | as agreed | a name | [`StaleThere`](Class::StaleThere) |
//! | a name | another, and not as agreed | another, or nothing | [`EditedOnBothSides`](Class::EditedOnBothSides) |
//!
//! An entry without a brand's id is [`MadeThere`](Class::MadeThere); one that bears an id which another entry bears, too, is a
//! [`Double`](Class::Double).

use std::fmt;

use brand::{BrandRow, Held, MarkKind, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Conflicts, Edits, Made, Orphans, Policies};

/// How a brand, or an entry of the CMS, differs from the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It does not.
    Equal,
    /// The sync is at work on it, or will be.
    InFlight,
    /// The CMS does not hold it, and never did.
    MissingThere,
    /// The CMS holds what it had before.
    StaleThere,
    /// An editor has renamed the entry.
    EditedThere,
    /// An editor has renamed the entry, and the brand has been renamed here.
    EditedOnBothSides,
    /// An editor has deleted the entry.
    DeletedThere,
    /// The entry bears the id of a brand that there is not.
    Orphan,
    /// An editor made the entry: it bears no brand's id.
    MadeThere,
    /// Another entry bears the same brand's id.
    Double,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Equal,
        Self::InFlight,
        Self::MissingThere,
        Self::StaleThere,
        Self::EditedThere,
        Self::EditedOnBothSides,
        Self::DeletedThere,
        Self::Orphan,
        Self::MadeThere,
        Self::Double,
    ];

    /// The word for it, in the report, in answers and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::InFlight => "in_flight",
            Self::MissingThere => "missing_there",
            Self::StaleThere => "stale_there",
            Self::EditedThere => "edited_there",
            Self::EditedOnBothSides => "edited_on_both_sides",
            Self::DeletedThere => "deleted_there",
            Self::Orphan => "orphan",
            Self::MadeThere => "made_there",
            Self::Double => "double",
        }
    }

    /// Whether the two sides differ.
    #[must_use]
    pub const fn is_difference(self) -> bool {
        !matches!(self, Self::Equal | Self::InFlight)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A brand here, as far as its row is about one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ours<'a> {
    /// Its name; none where it is deleted.
    pub name: Option<&'a str>,
    /// How its sync stands.
    pub standing: Standing,
    /// The last state that both sides agreed on.
    pub agreed: Option<&'a Held>,
}

/// How the sync of a brand stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is left to do.
    Settled,
    /// A worker is at the row, or will be by itself.
    InFlight,
    /// An operator has to decide.
    Marked,
    /// An operator has cancelled it: it is not synced.
    Cancelled,
}

impl<'a> Ours<'a> {
    /// What the row says of that subscriber's target. `state` is what the row keeps for it.
    #[must_use]
    pub fn of(row: &'a BrandRow, state: &'a brand::SubscriberState, now: Timestamp) -> Self {
        let version = row.brand.version;
        let standing = if row.is_leased(now) {
            Standing::InFlight
        } else if state.run.is_some() {
            // Also one that is paused: what the CMS holds may be its own doing.
            Standing::InFlight
        } else if let Some(mark) = state.mark_of(version) {
            match mark.kind {
                MarkKind::Cancelled => Standing::Cancelled,
                _ => Standing::Marked,
            }
        } else if state.reached < version || state.in_doubt {
            Standing::InFlight
        } else {
            Standing::Settled
        };
        let is_deleted = row.brand.deleted_at.is_some();
        Self {
            name: (!is_deleted).then(|| row.brand.name.as_str()),
            standing,
            agreed: state.holds.as_ref(),
        }
    }
}

/// How a brand differs. `ours` is none where there is no row, `theirs` is the name of the entry that bears the brand's id.
#[must_use]
pub fn classify(ours: Option<Ours<'_>>, theirs: Option<&str>) -> Class {
    if ours.is_some_and(|ours| ours.standing == Standing::InFlight) {
        return Class::InFlight;
    }
    let Some((name, agreed)) = ours.and_then(|ours| Some((ours.name?, ours.agreed))) else {
        return if theirs.is_some() {
            Class::Orphan
        } else {
            Class::Equal
        };
    };
    // An entry that was to get the brand's id, and never did.
    let agreed = agreed.filter(|agreed| !agreed.unlinked);
    match (theirs, agreed) {
        (None, None) => Class::MissingThere,
        (None, Some(_)) => Class::DeletedThere,
        (Some(theirs), _) if theirs == name => Class::Equal,
        (Some(theirs), Some(agreed)) if theirs == agreed.shown() => {
            if agreed.name == name {
                Class::Equal
            } else {
                Class::StaleThere
            }
        }
        (Some(_), Some(agreed)) if agreed.name == name => Class::EditedThere,
        (Some(_), _) => Class::EditedOnBothSides,
    }
}

/// What is done about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// The row is made due: the sync brings the CMS to what is here.
    Sync,
    /// The brand gets the name that it has in the CMS.
    Rename,
    /// The brand is deleted here.
    Delete,
    /// The entry becomes a brand.
    Create,
    /// The entry is deleted in the CMS, by the row of a deleted brand that is made due.
    Remove,
}

impl Repair {
    /// What those policies do about such a difference. A marked row waits for an operator, unless a policy says what is right.
    #[must_use]
    pub const fn of(class: Class, standing: Standing, policies: Policies) -> Option<Self> {
        let is_marked = matches!(standing, Standing::Marked | Standing::Cancelled);
        let repair = Self::by(class, is_marked, policies);
        match (repair, standing) {
            (Some(Self::Sync), Standing::Cancelled) | (_, Standing::InFlight) => None,
            _ => repair,
        }
    }

    const fn by(class: Class, is_marked: bool, policies: Policies) -> Option<Self> {
        match class {
            Class::Equal | Class::InFlight | Class::Double => None,
            Class::MissingThere | Class::StaleThere if is_marked => None,
            Class::MissingThere | Class::StaleThere => Some(Self::Sync),
            Class::EditedThere => match policies.edits {
                Edits::Report => None,
                Edits::Overwrite => Some(Self::Sync),
                Edits::Accept => Some(Self::Rename),
            },
            Class::DeletedThere => match policies.edits {
                Edits::Report => None,
                Edits::Overwrite => Some(Self::Sync),
                Edits::Accept => Some(Self::Delete),
            },
            Class::EditedOnBothSides => match policies.conflicts {
                Conflicts::Report => None,
                Conflicts::Ours => Some(Self::Sync),
                Conflicts::Theirs => Some(Self::Rename),
            },
            Class::Orphan => match policies.orphans {
                Orphans::Delete if !is_marked => Some(Self::Remove),
                _ => None,
            },
            Class::MadeThere => match policies.made {
                Made::Report => None,
                Made::Create => Some(Self::Create),
            },
        }
    }

    /// Whether it overwrites or deletes something, on either side, about a difference of that class.
    #[must_use]
    pub const fn is_destructive(self, class: Class) -> bool {
        match self {
            Self::Sync => matches!(class, Class::EditedThere | Class::EditedOnBothSides),
            Self::Rename | Self::Delete | Self::Remove => true,
            Self::Create => false,
        }
    }
}

#[cfg(test)]
mod tests;
