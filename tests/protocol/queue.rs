//! The queue: a bag of messages, which are delivered in any order.

use crate::state::{VERSIONS, Version, place};

/// The most that a message is received here.
pub(crate) const MAX_RECEIVES: usize = 3;

/// An event about one version of the brand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Message {
    pub(crate) version: Version,
    /// How often it has been received, this time included where a worker has it.
    pub(crate) receives: u8,
}

impl Message {
    /// One that has just been sent.
    pub(crate) const fn new(version: Version) -> Self {
        Self {
            version,
            receives: 0,
        }
    }

    /// As it is when it is received once more.
    pub(crate) const fn received(self) -> Self {
        Self {
            receives: self.receives + 1,
            ..self
        }
    }
}

/// The messages that are visible: how many, by version and number of receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Queue([[u8; MAX_RECEIVES]; VERSIONS]);

impl Queue {
    pub(crate) fn add(&mut self, message: Message) {
        *self.count(message) += 1;
    }

    pub(crate) fn remove(&mut self, message: Message) {
        *self.count(message) -= 1;
    }

    /// The messages, equal ones once.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message> {
        let versions = (1_u8..).zip(&self.0);
        versions.flat_map(|(version, counts)| {
            let present = (0_u8..).zip(counts).filter(|(_, count)| **count > 0);
            present.map(move |(receives, _)| Message { version, receives })
        })
    }

    /// How many there are of that version.
    pub(crate) fn copies(&self, version: Version) -> usize {
        let counts = &self.0[place(version)];
        counts.iter().copied().map(usize::from).sum()
    }

    fn count(&mut self, message: Message) -> &mut u8 {
        &mut self.0[place(message.version)][usize::from(message.receives)]
    }
}
