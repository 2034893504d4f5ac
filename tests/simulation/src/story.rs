//! What happened in a world, in plain words: the same for the same seed, to the last letter.

use std::{
    collections::hash_map::DefaultHasher,
    fmt::{self, Write},
    hash::{Hash, Hasher},
    sync::Mutex,
    time::Duration,
};

use crate::plan::Fault;

#[derive(Default)]
pub(crate) struct Story(Mutex<Told>);

#[derive(Default)]
struct Told {
    text: String,
    counts: Vec<u64>,
    broken: Option<String>,
}

impl Story {
    pub(crate) fn tell(&self, at: Duration, who: impl fmt::Display, what: impl fmt::Display) {
        let (seconds, millis) = (at.as_secs(), at.subsec_millis());
        let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
        let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
        let text = &mut self.0.lock().unwrap().text;
        let at = format_args!("day {days} {hours:02}:{minutes:02}:{seconds:02}.{millis:03}");
        writeln!(text, "{at}  {who}: {what}").unwrap();
    }

    pub(crate) fn count(&self, fault: Fault) {
        let counts = &mut self.0.lock().unwrap().counts;
        counts.resize(Fault::ALL.len(), 0);
        counts[fault as usize] += 1;
    }

    /// A promise is broken. The first one counts.
    pub(crate) fn break_promise(&self, at: Duration, what: &str) {
        self.tell(at, "PROMISE BROKEN", what);
        let broken = &mut self.0.lock().unwrap().broken;
        broken.get_or_insert_with(|| what.to_owned());
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.0.lock().unwrap().broken.is_some()
    }

    pub(crate) fn ending(&self) -> Ending {
        let told = self.0.lock().unwrap();
        let mut hasher = DefaultHasher::new();
        told.text.hash(&mut hasher);
        let mut counts = told.counts.clone();
        counts.resize(Fault::ALL.len(), 0);
        Ending {
            hash: hasher.finish(),
            text: told.text.clone(),
            broken: told.broken.clone(),
            counts,
        }
    }
}

/// How a world ended.
pub(crate) struct Ending {
    pub(crate) text: String,
    pub(crate) hash: u64,
    pub(crate) counts: Vec<u64>,
    pub(crate) broken: Option<String>,
}
