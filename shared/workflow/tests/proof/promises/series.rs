//! Runs of one id that follow each other, each about something else.

use super::prelude::*;

/// A program whose runs are about what their input says.
struct Serial(Vec<Node>);

impl Workflow<World> for Serial {
    const NAME: &'static str = "serial";
    const SERIAL: bool = true;
    type Input = String;
    type Output = String;

    fn steps(&self) -> Steps<World> {
        Program(self.0.clone()).steps()
    }

    async fn run(&self, flow: &Flow<'_, World>, about: &String) -> Result<String, StepError> {
        Program(self.0.clone()).run(flow, about).await?;
        Ok(about.clone())
    }
}

fn deliver(bench: &Bench, effect: &str, about: &str) -> Outcome<String> {
    let serial = Serial(vec![act(effect)]);
    bench.deliver(&serial, &about.to_owned()).unwrap()
}

fn done(about: &str) -> Outcome<String> {
    Outcome::Done(about.to_owned())
}

#[test]
fn a_run_that_is_over_is_followed_by_one_about_something_else() {
    let bench = Bench::refusing("b", false);
    assert_eq!(deliver(&bench, "a", "first"), done("first"));
    assert!(matches!(
        deliver(&bench, "b", "second"),
        Outcome::Reverted { .. }
    ));
    assert_eq!(deliver(&bench, "c", "third"), done("third"));
    assert_eq!(bench.standing(), ["a", "c"]);
    let run = bench.run();
    assert_eq!((run.attempt, run.input.as_str()), (3, r#""third""#));
}

#[test]
fn the_same_asked_for_again_answers_what_it_has_answered() {
    let bench = Bench::new(&[]);
    assert_eq!(deliver(&bench, "a", "first"), done("first"));
    assert_eq!(deliver(&bench, "b", "first"), done("first"));
    assert_eq!(bench.standing(), ["a"]);
}

#[test]
fn a_run_that_is_open_is_first_taken_to_its_end_with_its_own_input() {
    let bench = Bench::new(&[(1, Cut::LoseRequest), (2, Cut::LoseRequest)]);
    assert!(matches!(
        deliver(&bench, "a", "first"),
        Outcome::Suspended { .. }
    ));
    assert_eq!(bench.standing(), [""; 0]);
    assert_eq!(deliver(&bench, "a", "second"), done("second"));
    // Both have acted, one after the other, under keys of their own.
    assert_eq!(bench.world.standing().get("a"), Some(&2));
    assert_eq!(bench.run().attempt, 2);
}

#[test]
fn a_run_that_cannot_be_ended_is_not_followed() {
    let lost = |operation| (operation, Cut::LoseRequest);
    let bench = Bench::new(&[lost(1), lost(2), lost(6), lost(7)]);
    assert!(matches!(
        deliver(&bench, "a", "first"),
        Outcome::Suspended { .. }
    ));
    let second = deliver(&bench, "a", "second");
    assert!(matches!(second, Outcome::Suspended { .. }), "{second:?}");
    assert_eq!(bench.run().input.as_str(), r#""first""#);
    assert_eq!(deliver(&bench, "a", "second"), done("second"));
}

#[test]
fn what_a_run_before_could_not_take_back_is_taken_back_before_the_next_begins() {
    let machine = Machine::new(&[(1, Cut::RefuseAfter), (3, Cut::RefuseBefore)]);
    let bench = Bench::of(World::new(machine.clone()), machine);
    let first = deliver(&bench, "a", "first");
    assert!(matches!(first, Outcome::Failed { .. }), "{first:?}");
    assert_eq!(bench.standing(), ["a"]);
    assert_eq!(deliver(&bench, "b", "second"), done("second"));
    assert_eq!(bench.standing(), ["b"]);
}

#[test]
fn a_run_that_another_worker_is_at_is_not_followed_yet() {
    let bench = Bench::new(&[(1, Cut::DieAfter)]);
    let (serial, id, input) = (
        Serial(vec![act("a")]),
        RunId::new("run"),
        "first".to_owned(),
    );
    let run = bench
        .engine
        .run(&serial, &bench.world, &id, &input, bench.invocation());
    let mut worker: Worker<'_, _> = Box::pin(run);
    assert!(matches!(bench.machine.turn(&mut worker), Turn::Died));
    let second = deliver(&bench, "a", "second");
    assert!(
        matches!(second, Outcome::Running { until: Some(_) }),
        "{second:?}"
    );
}

#[test]
fn a_run_that_was_cancelled_is_followed_all_the_same() {
    let bench = Bench::new(&[(1, Cut::LoseReply), (2, Cut::LoseReply)]);
    assert!(matches!(
        deliver(&bench, "a", "first"),
        Outcome::Suspended { .. }
    ));
    let (serial, id) = (Serial(vec![act("a")]), RunId::new("run"));
    let cancel = bench
        .engine
        .cancel(&serial, &bench.world, &id, bench.invocation());
    let cancelled = cancel.now_or_never().unwrap().unwrap();
    assert!(matches!(cancelled, Some(Outcome::Reverted { .. })));
    assert_eq!(deliver(&bench, "b", "second"), done("second"));
    assert_eq!(bench.run().cancel_requested_at, None);
    assert!(matches!(deliver(&bench, "a", "second"), Outcome::Done(_)));
}
