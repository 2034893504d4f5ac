//! What is to be done with a run that was begun before: answer, refuse, or go on, and with which of a series.

use serde::de::DeserializeOwned;

use crate::{
    Application, Engine, EngineError, Fence, Json, Outcome, Run, RunEvent, RunState, Timestamp,
    Workflow,
    engine::{cause, json_error},
    ledger::Ledger,
};

/// What is to be done with a run that was begun before.
pub(crate) enum Admission<A: Application, W: Workflow<A>> {
    Answer(Outcome<W::Output>),
    /// It is conducted. Where it is not the run that was asked for but the one before it in a series, by its own input.
    GoOn(Box<Ledger<A::Write>>, Option<W::Input>),
}

impl<A: Application> Engine<A> {
    /// What is to be done with a run that was begun before.
    pub(crate) fn admit<W: Workflow<A>>(
        &self,
        workflow: &W,
        app: &A,
        run: Run,
        (asked_for, input): (&W::Input, &Json),
        now: Timestamp,
    ) -> Result<Admission<A, W>, EngineError> {
        let id = &run.id;
        let conflict = |what| {
            Err(EngineError::Conflict {
                id: id.clone(),
                what,
            })
        };
        if run.workflow != W::NAME {
            return conflict("workflow");
        }
        let is_asked_for = run.input.means_the_same_as(input);
        if !is_asked_for && !W::SERIAL {
            return conflict("input");
        }
        if run.state == RunState::Done && is_asked_for {
            return stored_output(&run).map(|output| Admission::Answer(Outcome::Done(output)));
        }
        let is_cancelled = run.cancel_requested_at.is_some();
        if run.state == RunState::Reverted && is_asked_for && is_cancelled {
            return Ok(Admission::Answer(Outcome::Reverted { cause: cause(&run) }));
        }
        if run.lease_until.is_some_and(|until| now < until) {
            return Ok(Admission::Answer(Outcome::Running {
                until: run.lease_until,
            }));
        }
        if run.state == RunState::Invoking && run.version != W::VERSION {
            let reason = format!(
                "version {} of it began the run, and this is version {}",
                run.version,
                W::VERSION
            );
            return Err(EngineError::Definition {
                id: id.clone(),
                reason,
            });
        }
        let fence = Fence::of(&run);
        let has_failed = run.state == RunState::Failed;
        let (run, own_input) = if run.state.is_over() {
            (next_attempt::<A, W>(run, input.clone()), None)
        } else if is_asked_for {
            (run, None)
        } else {
            let own_input = run.input.parse();
            let own_input = own_input.map_err(|error| json_error(&run.id, "input", &error))?;
            (run, Some(own_input))
        };
        self.observer
            .observe(&RunEvent::Resumed { workflow: W::NAME });
        let mut ledger = Ledger::taken_over(run, fence, self.new_owner(), self.config.retention);
        if has_failed {
            ledger.go_along(workflow.taken_up(app, asked_for));
        }
        Ok(Admission::GoOn(Box::new(ledger), own_input))
    }
}

/// A run that is over, begun afresh, about what is asked for now. The attempt is part of the idempotency keys, since those
/// of the attempt before stand for effects that are settled.
fn next_attempt<A: Application, W: Workflow<A>>(run: Run, input: Json) -> Run {
    Run {
        state: RunState::NotStarted,
        version: W::VERSION,
        attempt: run.attempt.saturating_add(1),
        cancel_requested_at: None,
        input,
        output: None,
        steps: Vec::new(),
        expires_at: None,
        ..run
    }
}

fn stored_output<T: DeserializeOwned>(run: &Run) -> Result<T, EngineError> {
    let stored = run.output.as_ref().map_or("null", Json::as_str);
    serde_json::from_str(stored).map_err(|error| json_error(&run.id, "output", &error))
}
