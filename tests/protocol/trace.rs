//! A counterexample, told as a story.

use std::fmt::{self, Display, Formatter, Write};

use crate::{
    model::{Actor, Model, Transition},
    queue::Message,
    search::Counterexample,
    state::{Content, Lease, Phase, Run, State, Status, Version},
};

/// Tells how the promise comes to be broken, one line for each thing that happens, and what is changed by it.
pub(crate) fn story(model: &Model, found: &Counterexample) -> String {
    let mut story = String::new();
    let mut state = State::default();
    let mut transitions: Vec<Transition> = Vec::new();
    for (number, next) in found.states.iter().skip(1).enumerate() {
        model.transitions(&state, &mut transitions);
        // The workers keep their names on the way, though those of the states that were found do not.
        let step = transitions.iter().find(|step| step.to.canonical() == *next);
        let step = step.expect("each state follows from the one before it");
        let _ = write!(story, "{:3}. {} {}", number + 1, step.actor, step.what);
        if let Some(message) = step.message {
            let _ = write!(story, " [{message}]");
        }
        let (before, after) = (state.to_string(), step.to.to_string());
        if before != after {
            let _ = write!(story, "\n       {after}");
        }
        story.push('\n');
        state = step.to;
    }
    let _ = write!(story, "  => {}", found.broken);
    story
}

impl Display for Actor {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => formatter.write_str("the client"),
            Self::Queue => formatter.write_str("the queue"),
            Self::Republish => formatter.write_str("republish-brands"),
            Self::Time => formatter.write_str("time"),
            Self::Operator => formatter.write_str("the operator"),
            Self::Worker(id) => write!(formatter, "worker {id:?}"),
        }
    }
}

impl Display for Message {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "event of version {}", self.version)?;
        if self.receives > 0 {
            write!(formatter, ", receive {}", self.receives)?;
        }
        Ok(())
    }
}

impl Display for Status {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unsynced => "unsynced",
            Self::Synced => "synced",
            Self::Failed => "failed",
        })
    }
}

/// What is stored; not who is at what.
impl Display for State {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if let Some(row) = self.row {
            let deleted = if row.is_deleted { ", deleted" } else { "" };
            let (version, status, told) = (row.version, row.status, content(row.in_cms));
            write!(
                formatter,
                "row: version {version}{deleted}, {status}, told {told}"
            )?;
        }
        write!(formatter, "; CMS: {}", content(self.cms))?;
        for run in self.journal.iter().flatten() {
            write!(formatter, "; run: {run}")?;
        }
        for message in self.queue.messages() {
            write!(formatter, "; queued: {message}")?;
        }
        for version in self.parked() {
            write!(formatter, "; dead letter: version {version}")?;
        }
        Ok(())
    }
}

impl State {
    fn parked(&self) -> impl Iterator<Item = Version> {
        let parked = (1..)
            .zip(self.dead_letters)
            .filter(|(_, is_parked)| *is_parked);
        parked.map(|(version, _)| version)
    }
}

impl Display for Run {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let input = self.input;
        match self.phase {
            Phase::Begun => write!(formatter, "begun for version {input}")?,
            Phase::Ended => write!(formatter, "ended")?,
            Phase::Invoking(effect) => write!(formatter, "applies {}", content(effect.after))?,
            Phase::Compensating(effect) => {
                write!(formatter, "restores {}", content(effect.before))?;
            }
            Phase::Failed(effect) => {
                write!(formatter, "could not restore {}", content(effect.before))?;
            }
        }
        match self.lease {
            Lease::Free => Ok(()),
            Lease::Held(id) => write!(formatter, " (worker {id:?})"),
            Lease::OfTheDead => formatter.write_str(" (a dead worker)"),
        }
    }
}

fn content(content: Content) -> String {
    content.map_or_else(|| "nothing".to_owned(), |version| format!("name {version}"))
}
