//! A counterexample, told as a story.

use std::fmt::Write;

use crate::search::{Counterexample, World};

/// Tells how the promise comes to be broken, one line for each thing that happens, and what is changed by it.
pub(crate) fn story<W: World>(world: &W, found: &Counterexample<W>) -> String {
    let mut story = String::new();
    let mut state = W::State::default();
    let mut transitions = Vec::new();
    for (number, next) in found.states.iter().skip(1).enumerate() {
        transitions.clear();
        world.transitions(&state, &mut transitions);
        // The workers keep their names on the way, though those of the states that were found do not.
        let step = transitions
            .iter()
            .find(|step| W::canonical(&step.to) == *next);
        let step = step.expect("each state follows from the one before it");
        let _ = write!(story, "{:3}. {} {}", number + 1, step.actor, step.what);
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
