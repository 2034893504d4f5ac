//! What is recorded, when, and how large it may become.

use super::prelude::*;

#[test]
fn nothing_is_written_before_the_first_effect_and_the_end_is_one_write() {
    // Begin with the intent of a, then a; the intent of b with the result of a, then b; the end with the mark.
    for (nodes, operations) in [
        (vec![act("a")], 3),
        (vec![act("a"), mark("m")], 3),
        (vec![act("a"), act("b"), mark("m")], 5),
        (vec![mark("m")], 1),
    ] {
        let bench = Bench::new(&[]);
        assert_eq!(bench.play(&nodes), Outcome::Done(Vec::new()));
        assert_eq!(bench.machine.operations(), operations, "{nodes:?}");
    }
}

/// Reads, and does nothing else.
struct Reading {
    answer: Result<(), StepError>,
    is_done: bool,
}

struct Ask(Result<(), StepError>);

impl Query<World> for Ask {
    const NAME: &'static str = "ask";
    type Input = ();
    type Output = ();

    async fn fetch(&self, _: &World, (): &()) -> Result<(), StepError> {
        self.0.clone()
    }
}

impl Workflow<World> for Reading {
    const NAME: &'static str = "reading";
    type Input = ();
    type Output = ();

    fn steps(&self) -> Steps<World> {
        Steps::new()
    }

    async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<(), StepError> {
        flow.query(&Ask(self.answer.clone()), &()).await?;
        if self.is_done {
            flow.already_done()?;
        }
        Ok(())
    }
}

#[test]
fn a_duplicate_that_reads_that_all_is_done_costs_no_write() {
    let bench = Bench::new(&[]);
    let reading = Reading {
        answer: Ok(()),
        is_done: true,
    };
    assert_eq!(bench.deliver(&reading, &()).unwrap(), Outcome::Done(()));
    assert_eq!(bench.machine.operations(), 0);
    assert_eq!(bench.recorded(), None);
}

#[test]
fn a_workflow_that_only_reads_is_recorded_as_done_all_the_same() {
    let bench = Bench::new(&[]);
    let reading = Reading {
        answer: Ok(()),
        is_done: false,
    };
    assert_eq!(bench.deliver(&reading, &()).unwrap(), Outcome::Done(()));
    assert_eq!(bench.run().state, RunState::Done);
}

#[test]
fn a_workflow_that_has_done_something_is_recorded_whatever_it_says_it_has_read() {
    struct Hasty;

    impl Workflow<World> for Hasty {
        const NAME: &'static str = "hasty";
        type Input = ();
        type Output = ();

        fn steps(&self) -> Steps<World> {
            Steps::new().with(Act)
        }

        async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<(), StepError> {
            flow.already_done()?;
            flow.step_as("m", &crate::program::Mark, &"m".to_owned())
                .await
        }
    }

    let bench = Bench::new(&[]);
    assert_eq!(bench.deliver(&Hasty, &()).unwrap(), Outcome::Done(()));
    assert_eq!(bench.run().state, RunState::Done);
    assert_eq!(bench.standing(), ["m"]);
}

#[test]
fn a_read_that_fails_transiently_suspends_the_run_and_leaves_no_record() {
    let bench = Bench::new(&[]);
    let reading = Reading {
        answer: Err(StepError::transient("away")),
        is_done: false,
    };
    assert!(matches!(
        bench.deliver(&reading, &()).unwrap(),
        Outcome::Suspended { .. }
    ));
    assert_eq!(bench.recorded(), None);
}

#[test]
fn a_read_that_fails_for_good_is_recorded_as_the_cause() {
    let bench = Bench::new(&[]);
    let reading = Reading {
        answer: Err(StepError::permanent("not there")),
        is_done: false,
    };
    assert!(matches!(
        bench.deliver(&reading, &()).unwrap(),
        Outcome::Reverted { .. }
    ));
    assert_eq!(
        bench.run().cause().map(ToString::to_string),
        Some("ask: not there".to_owned())
    );
    assert_eq!(
        bench.machine.operations(),
        1,
        "there is nothing to take back"
    );
}

#[test]
fn a_run_whose_record_would_become_too_large_fails_before_the_step_acts() {
    let machine = Machine::new(&[]);
    let world = World::new(machine.clone());
    let mut journal = CutJournal::new(&world);
    journal.max_size = 50_000;
    let engine: Engine<World> =
        Engine::new(Arc::new(journal)).with_environment(Arc::new(machine.clone()));
    let program = Program(vec![act("a"), act(&"b".repeat(20_000))]);
    let (id, input) = (RunId::new("run"), String::new());
    let run = engine.run(&program, &world, &id, &input, Invocation::default());
    let Outcome::Reverted { cause } = run.now_or_never().unwrap().unwrap() else {
        panic!("not reverted")
    };
    assert!(
        cause.message.contains("of at most 50000 bytes"),
        "{}",
        cause.message
    );
    assert!(world.standing().is_empty());
}

#[test]
fn an_input_that_is_too_large_is_an_error_and_nothing_is_recorded() {
    let machine = Machine::new(&[]);
    let world = World::new(machine.clone());
    let mut journal = CutJournal::new(&world);
    journal.max_size = 50_000;
    let engine: Engine<World> =
        Engine::new(Arc::new(journal)).with_environment(Arc::new(machine.clone()));
    let (program, id, input) = (
        Program(vec![act("a")]),
        RunId::new("run"),
        "x".repeat(50_000),
    );
    let run = engine.run(&program, &world, &id, &input, Invocation::default());
    assert!(matches!(
        run.now_or_never().unwrap(),
        Err(EngineError::TooLarge { .. })
    ));
    assert_eq!(machine.operations(), 0);
}

#[test]
fn an_output_that_makes_the_record_too_large_reverts_the_run() {
    struct Verbose;

    impl Workflow<World> for Verbose {
        const NAME: &'static str = "verbose";
        type Input = ();
        type Output = String;

        fn steps(&self) -> Steps<World> {
            Steps::new().with(Act)
        }

        async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<String, StepError> {
            flow.step(&Act, &"a".to_owned()).await?;
            Ok("x".repeat(50_000))
        }
    }

    let machine = Machine::new(&[]);
    let world = World::new(machine.clone());
    let mut journal = CutJournal::new(&world);
    journal.max_size = 50_000;
    let engine: Engine<World> = Engine::new(Arc::new(journal)).with_environment(Arc::new(machine));
    let id = RunId::new("run");
    let run = engine.run(&Verbose, &world, &id, &(), Invocation::default());
    assert!(matches!(
        run.now_or_never().unwrap(),
        Ok(Outcome::Reverted { .. })
    ));
    assert!(world.standing().is_empty());
}

#[test]
fn an_answer_that_makes_the_record_too_large_fails_the_step_and_takes_it_back() {
    struct Verbose;

    impl Step<World> for Verbose {
        const NAME: &'static str = "verbose";
        type Input = ();
        type Output = String;
        type Undo = ();

        async fn invoke(&self, world: &World, (): &(), call: &Call) -> StepResult<Self, World> {
            world.act("a", &call.idempotency_key).await?;
            Ok(StepResponse::new("x".repeat(50_000)))
        }

        async fn compensate(
            &self,
            world: &World,
            (): &(),
            _: Option<&()>,
            call: &Call,
        ) -> Result<(), StepError> {
            world.undo("a", &call.idempotency_key).await
        }
    }

    impl Workflow<World> for Verbose {
        const NAME: &'static str = "verbose";
        type Input = ();
        type Output = String;

        fn steps(&self) -> Steps<World> {
            Steps::new().with(Self)
        }

        async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<String, StepError> {
            flow.step(self, &()).await
        }
    }

    let machine = Machine::new(&[]);
    let world = World::new(machine.clone());
    let mut journal = CutJournal::new(&world);
    journal.max_size = 50_000;
    let engine: Engine<World> = Engine::new(Arc::new(journal)).with_environment(Arc::new(machine));
    let id = RunId::new("run");
    let run = engine.run(&Verbose, &world, &id, &(), Invocation::default());
    assert!(matches!(
        run.now_or_never().unwrap(),
        Ok(Outcome::Reverted { .. })
    ));
    assert!(world.standing().is_empty());
}
