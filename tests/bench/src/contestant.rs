//! What is measured.

use std::path::{Path, PathBuf};

use bench::{Error, Event};

/// A program that is measured.
pub(crate) struct Contestant {
    /// What the table calls it.
    pub(crate) name: String,
    /// Its executable.
    pub(crate) path: PathBuf,
    /// What it is invoked with.
    pub(crate) event: Event,
}

/// The functions, by how their names begin, and what each is invoked with.
const KNOWN: [(&str, Event); 9] = [
    ("floor-hello", Event::CreateBrand),
    ("floor-two-calls", Event::CreateBrand),
    ("create-brand", Event::CreateBrand),
    ("sync-brand", Event::BrandsCreated(1)),
    ("change-brand", Event::ChangeBrand),
    ("query-brands", Event::ListBrands),
    ("sign-in", Event::SignIn),
    ("api-root", Event::Health),
    ("republish-brands", Event::Sweep),
];
/// How many of them are measured beside each other.
const MEASURED: usize = 4;

impl Contestant {
    /// The function that the name begins with, as it was built there.
    pub(crate) fn new(name: &str, path: PathBuf) -> Result<Self, Error> {
        let known = KNOWN.iter().find(|(begins, _)| name.starts_with(begins));
        let (_, event) = known.ok_or_else(|| format!("{name}: not one of {KNOWN:?}"))?;
        if !path.is_file() {
            return Err(format!("{}: not built; see `make bench`", path.display()).into());
        }
        Ok(Self {
            name: name.to_owned(),
            path,
            event: *event,
        })
    }

    /// Those that are measured, built in that folder.
    pub(crate) fn beside(folder: &Path) -> Result<Vec<Self>, Error> {
        let measured = KNOWN.iter().take(MEASURED);
        measured
            .map(|(name, _)| Self::new(name, folder.join(name)))
            .collect()
    }

    /// Whether the workflow is what it runs.
    pub(crate) fn syncs(&self) -> bool {
        matches!(self.event, Event::BrandsCreated(_))
    }
}
