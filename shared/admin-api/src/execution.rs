//! Runs, as Medusa shows its workflow executions.
//!
//! The shapes are those of `AdminWorkflowExecution` in `@medusajs/types` 2.21, so that `@medusajs/js-sdk` reads them. What Medusa
//! has no word for stands beside: when the run goes on, since when it is paused, when it was asked to be cancelled, when it ended.

use brand::{BrandId, BrandRow, CMS_SUBSCRIBER, CMS_WORKFLOW, MarkKind};
use journal::{SyncInput, run_summary};
use serde_json::{Map, Value, json};
use workflow::{Phase, RunState, RunSummary, StepState, StepSummary, Timestamp};

use crate::{ApiError, shown};

/// The id of the execution for a brand: the id that its run has in the logs.
#[must_use]
pub fn execution_id(brand: BrandId) -> String {
    format!("{CMS_WORKFLOW}:{brand}")
}

/// The brand whose execution a path names: by its id, or by the workflow and the transaction.
pub fn brand_of_execution(parts: &[&str]) -> Result<BrandId, ApiError> {
    let found = match parts {
        [id] => brand_of_id(id),
        [CMS_WORKFLOW, transaction] => transaction.parse().ok(),
        _ => None,
    };
    found.ok_or_else(|| no_such_execution(&parts.join(":")))
}

fn brand_of_id(id: &str) -> Option<BrandId> {
    let brand = id.strip_prefix(CMS_WORKFLOW)?;
    // A path may have the colon encoded.
    let brand = brand.strip_prefix(':').or(brand.strip_prefix("%3A"))?;
    brand.parse().ok()
}

/// That there is no execution of that id, in Medusa's words.
#[must_use]
pub fn no_such_execution(id: &str) -> ApiError {
    ApiError::NotFound(format!(
        "WorkflowExecution with id: {} was not found",
        shown(id)
    ))
}

/// The state of a brand's execution, in Medusa's words.
#[must_use]
pub fn execution_state(row: &BrandRow) -> &'static str {
    state_of(row, run_summary(&row.subscriber(CMS_SUBSCRIBER)).as_ref())
}

fn state_of(row: &BrandRow, run: Option<&RunSummary>) -> &'static str {
    if let Some(run) = run {
        return run.state.as_str();
    }
    let state = row.subscriber(CMS_SUBSCRIBER);
    let mark = state.mark_of(row.brand.version).map(|mark| mark.kind);
    match mark {
        Some(MarkKind::Refused | MarkKind::Cancelled) => RunState::Reverted.as_str(),
        Some(MarkKind::Failed) => RunState::Failed.as_str(),
        Some(MarkKind::Paused) => RunState::Invoking.as_str(),
        None if state.reached >= row.brand.version => RunState::Done.as_str(),
        None => RunState::NotStarted.as_str(),
    }
}

/// The current execution for a brand, or its last one.
#[must_use]
pub fn execution(row: &BrandRow) -> Value {
    let kept = row.subscriber(CMS_SUBSCRIBER);
    let run = run_summary(&kept);
    let version = kept.run.as_ref().or(kept.last.as_ref());
    let input = version.map(|record| SyncInput {
        version: record.version,
        in_doubt: false,
    });
    let errors = run.iter().flat_map(|run| &run.errors);
    let errors = errors.map(|error| {
        json!({
            "action": error.step,
            "handlerType": phase(error.during),
            "error": { "message": error.message, "at": error.at.to_string() },
        })
    });
    let (created_at, updated_at) = times(row, run.as_ref());
    let moment = |of: fn(&RunSummary) -> Option<Timestamp>| {
        run.as_ref().and_then(of).map(|at| at.to_string())
    };
    json!({
        "id": execution_id(row.brand.id),
        "workflow_id": CMS_WORKFLOW,
        "transaction_id": row.brand.id.to_string(),
        "state": state_of(row, run.as_ref()),
        "execution": { "steps": run.as_ref().map(steps).unwrap_or_default() },
        "context": {
            "data": { "invoke": {}, "payload": input },
            "compensate": {},
            "errors": errors.collect::<Vec<Value>>(),
        },
        "resume_at": moment(|run| run.resume_at),
        "paused_at": moment(|run| run.paused_at),
        "cancel_requested_at": moment(|run| run.cancel_requested_at),
        "ended_at": moment(|run| run.ended_at),
        "suspensions": run.as_ref().map_or(0, |run| run.suspensions),
        "created_at": created_at,
        "updated_at": updated_at,
        "deleted_at": null,
    })
}

/// When the run began, and when the last thing that is known of it happened.
fn times(row: &BrandRow, run: Option<&RunSummary>) -> (String, String) {
    let Some(run) = run else {
        let at = row.brand.updated_at.to_string();
        return (at.clone(), at);
    };
    let errors = run.errors.iter().map(|error| error.at);
    let moments = [run.ended_at, run.paused_at, run.cancel_requested_at];
    let last = moments.into_iter().flatten().chain(errors).max();
    let updated_at = last.map_or(run.began_at, |last| last.max(run.began_at));
    (run.began_at.to_string(), updated_at.to_string())
}

const fn phase(during: Phase) -> &'static str {
    match during {
        Phase::Invoke => "invoke",
        Phase::Compensate => "compensate",
    }
}

/// The steps by their ids. Medusa's have a root, which stands for the workflow.
fn steps(run: &RunSummary) -> Map<String, Value> {
    let id = |step: &StepSummary| format!("_root.{}", step.name);
    let root = json!({
        "id": "_root",
        "depth": 0,
        "definition": {},
        "startedAt": run.began_at.as_millis(),
        "invoke": { "state": "done", "status": "ok" },
        "compensate": { "state": "dormant", "status": "idle" },
        "next": run.steps.iter().map(id).collect::<Vec<String>>(),
    });
    let steps = run.steps.iter().map(|step| {
        let (invoke, compensate) = progress(run, step);
        let step_shown = json!({
            "id": id(step),
            "depth": 1,
            "definition": { "noCompensation": step.irreversible },
            "startedAt": step.began_at.as_millis(),
            "attempts": step.attempts(),
            "compensations": step.compensations,
            "invoke": { "state": invoke.0, "status": invoke.1 },
            "compensate": { "state": compensate.0, "status": compensate.1 },
            "next": [],
        });
        (id(step), step_shown)
    });
    std::iter::once(("_root".to_owned(), root))
        .chain(steps)
        .collect()
}

type Progress = (&'static str, &'static str);

/// How far invoking and compensating a step are: Medusa's states and statuses.
fn progress(run: &RunSummary, step: &StepSummary) -> (Progress, Progress) {
    const DONE: Progress = ("done", "ok");
    const FAILED: Progress = ("failed", "permanent_failure");
    const DORMANT: Progress = ("dormant", "idle");
    let waits = run.resume_at.is_some() || run.paused_at.is_some();
    let status = if waits {
        "temp_failure"
    } else {
        "waiting_response"
    };
    let has_failed = run
        .errors
        .iter()
        .any(|error| error.step == step.name && error.during == Phase::Invoke);
    // The step is named like the workflow, which is what a cancelled run is reverted for.
    let was = if has_failed && run.cancel_requested_at.is_none() {
        FAILED
    } else {
        DONE
    };
    let is_compensating = run.state == RunState::Compensating && !step.irreversible;
    match step.state {
        StepState::Invoking | StepState::Done | StepState::Failed if is_compensating => {
            let invoked = if step.state == StepState::Done {
                DONE
            } else {
                FAILED
            };
            (invoked, ("compensating", status))
        }
        StepState::Invoking => (("invoking", status), DORMANT),
        StepState::Done => (DONE, DORMANT),
        StepState::Failed => (FAILED, DORMANT),
        StepState::Reverted => (was, ("reverted", "ok")),
        StepState::CompensationFailed => (was, FAILED),
        StepState::Skipped => (("skipped_failure", "permanent_failure"), ("reverted", "ok")),
    }
}
