//! What is measured.

/// An operation, as it is measured with each number of brands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// A brand is created.
    Create,
    /// A new brand is synced.
    Sync,
    /// The event of a brand that is synced comes again.
    Duplicate,
    /// A brand by its id.
    Retrieve,
    /// The first page by cursor, of at most so many brands.
    FirstPage(u16),
    /// A page by cursor, behind a tenth of all brands.
    LaterPage(u16),
    /// The first page by cursor of a search that finds fewer brands than a page has.
    Search,
    /// The first page by number.
    PageByNumber,
    /// A sweep, with nothing to announce.
    IdleSweep,
    /// A sweep, with as much to announce as it may.
    FullSweep,
    /// A sweep, with all brands to announce that were added.
    LongSweep,
}

impl Operation {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Create => "create".to_owned(),
            Self::Sync => "sync of a new brand".to_owned(),
            Self::Duplicate => "duplicate of an event".to_owned(),
            Self::Retrieve => "a brand by its id".to_owned(),
            Self::FirstPage(limit) => format!("first page by cursor, `limit={limit}`"),
            Self::LaterPage(limit) => format!("later page by cursor, `limit={limit}`"),
            Self::Search => "page by cursor of a `q` that finds 10".to_owned(),
            Self::PageByNumber => "page by number".to_owned(),
            Self::IdleSweep => "sweep, nothing unsynced".to_owned(),
            Self::FullSweep => "sweep, 1,000 unsynced".to_owned(),
            Self::LongSweep => "sweep, 9 of 10 unsynced".to_owned(),
        }
    }
}
