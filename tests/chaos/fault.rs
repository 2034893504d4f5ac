//! The kinds of faults, and how often each was injected.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    DynamoDbFails,
    DynamoDbThrottles,
    DynamoDbOutOfReach,
    DynamoDbActsAndFails,
    DynamoDbLosesReply,
    DynamoDbSlow,
    SqsFails,
    SqsOutOfReach,
    SqsActsAndFails,
    SqsLosesReply,
    SqsSlow,
    SqsSendsTwice,
    SqsOutage,
    CmsFails,
    CmsHangs,
    CmsActsAndFails,
    CmsActsAndHangs,
    CmsShowsPage,
    CmsActsAndShowsPage,
    CmsLosesReply,
    CmsRefuses,
    CmsActsAndRefuses,
    CmsRefusesDeletion,
    KilledCreateBrand,
    KilledChangeBrand,
    KilledSyncBrand,
    KilledRepublishBrands,
    DiedStoring,
    DiedCreating,
    DelayedDuplicate,
    Poison,
}

impl Fault {
    /// All of them, in the order in which they are told.
    pub(crate) const ALL: [Self; 31] = [
        Self::DynamoDbFails,
        Self::DynamoDbThrottles,
        Self::DynamoDbOutOfReach,
        Self::DynamoDbActsAndFails,
        Self::DynamoDbLosesReply,
        Self::DynamoDbSlow,
        Self::SqsFails,
        Self::SqsOutOfReach,
        Self::SqsActsAndFails,
        Self::SqsLosesReply,
        Self::SqsSlow,
        Self::SqsSendsTwice,
        Self::SqsOutage,
        Self::CmsFails,
        Self::CmsHangs,
        Self::CmsActsAndFails,
        Self::CmsActsAndHangs,
        Self::CmsShowsPage,
        Self::CmsActsAndShowsPage,
        Self::CmsLosesReply,
        Self::CmsRefuses,
        Self::CmsActsAndRefuses,
        Self::CmsRefusesDeletion,
        Self::KilledCreateBrand,
        Self::KilledChangeBrand,
        Self::KilledSyncBrand,
        Self::KilledRepublishBrands,
        Self::DiedStoring,
        Self::DiedCreating,
        Self::DelayedDuplicate,
        Self::Poison,
    ];

    /// Whom it befalls, and what it is.
    pub(crate) const fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::DynamoDbFails => ("DynamoDB", "failed"),
            Self::DynamoDbThrottles => ("DynamoDB", "throttled"),
            Self::DynamoDbOutOfReach => ("DynamoDB", "unreachable"),
            Self::DynamoDbActsAndFails => ("DynamoDB", "acted and failed"),
            Self::DynamoDbLosesReply => ("DynamoDB", "lost the reply"),
            Self::DynamoDbSlow => ("DynamoDB", "slow"),
            Self::SqsFails => ("SQS", "failed"),
            Self::SqsOutOfReach => ("SQS", "unreachable"),
            Self::SqsActsAndFails => ("SQS", "acted and failed"),
            Self::SqsLosesReply => ("SQS", "lost the reply"),
            Self::SqsSlow => ("SQS", "slow"),
            Self::SqsSendsTwice => ("SQS", "sent twice"),
            Self::SqsOutage => ("SQS", "took no message"),
            Self::CmsFails => ("CMS", "failed"),
            Self::CmsHangs => ("CMS", "hung"),
            Self::CmsActsAndFails => ("CMS", "acted and failed"),
            Self::CmsActsAndHangs => ("CMS", "acted and hung"),
            Self::CmsShowsPage => ("CMS", "showed a maintenance page"),
            Self::CmsActsAndShowsPage => ("CMS", "acted and showed a page"),
            Self::CmsLosesReply => ("CMS", "lost the reply"),
            Self::CmsRefuses => ("CMS", "refused"),
            Self::CmsActsAndRefuses => ("CMS", "acted and refused"),
            Self::CmsRefusesDeletion => ("CMS", "refused to delete"),
            Self::KilledCreateBrand => ("killed", "create-brand"),
            Self::KilledChangeBrand => ("killed", "change-brand"),
            Self::KilledSyncBrand => ("killed", "sync-brand"),
            Self::KilledRepublishBrands => ("killed", "republish-brands"),
            Self::DiedStoring => ("killed", "all of create-brand with a brand just stored"),
            Self::DiedCreating => ("killed", "all of sync-brand with a brand just in the CMS"),
            Self::DelayedDuplicate => ("sent", "late duplicates"),
            Self::Poison => ("sent", "no events"),
        }
    }

    /// Whether it is the CMS's own decision, which stands until somebody looks after it.
    pub(crate) const fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::CmsRefuses | Self::CmsActsAndRefuses | Self::CmsRefusesDeletion
        )
    }

    /// The fault that is the end of a process of that function.
    pub(crate) fn killed(function: &str) -> Option<Self> {
        [
            Self::KilledCreateBrand,
            Self::KilledChangeBrand,
            Self::KilledSyncBrand,
            Self::KilledRepublishBrands,
        ]
        .into_iter()
        .find(|fault| fault.told().1 == function)
    }
}

/// How often each kind was injected.
#[derive(Debug, Default)]
pub(crate) struct Injected(Mutex<BTreeMap<Fault, u64>>);

impl Injected {
    pub(crate) fn count(&self, fault: Fault) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(fault).or_default() += 1;
    }

    pub(crate) fn of(&self, fault: Fault) -> u64 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&fault).copied().unwrap_or_default()
    }

    pub(crate) fn total(&self) -> u64 {
        Fault::ALL.into_iter().map(|fault| self.of(fault)).sum()
    }
}
