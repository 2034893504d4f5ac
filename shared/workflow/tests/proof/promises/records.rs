//! What is recorded, when, and how large it may become.

use super::{prelude::*, waiting::Reading};

#[test]
fn nothing_is_written_before_the_first_effect_and_n_steps_take_n_plus_1_writes() {
    // Begin with the intent of a, then a; the intent of b with the result of a, then b; the end.
    for (nodes, operations) in [
        (vec![act("a")], 3),
        (vec![act("a"), mail("m")], 5),
        (vec![act("a"), act("b"), act("c")], 7),
        (vec![], 1),
    ] {
        let bench = Bench::new(&[]);
        assert_eq!(bench.play(&nodes), Outcome::Done(Vec::new()));
        assert_eq!(bench.machine.operations(), operations, "{nodes:?}");
    }
}

#[test]
fn a_run_with_one_step_in_flight_takes_less_than_520_bytes() {
    struct Sync;

    impl Step<World> for Sync {
        const NAME: &'static str = "bring-cms-up-to-date";
        type Input = String;
        type Output = ();
        type Undo = ();

        async fn invoke(&self, world: &World, _: &String, call: &Call) -> StepResult<Self, World> {
            world.act("a", call).await?;
            Ok(StepResponse::new(()))
        }

        async fn compensate(
            &self,
            _: &World,
            _: &String,
            _: Option<&()>,
            _: &Call,
        ) -> Result<(), StepError> {
            Ok(())
        }
    }

    impl Workflow<World> for Sync {
        const NAME: &'static str = "sync-brand-to-cms";
        type Input = String;
        type Output = ();

        fn steps(&self) -> Steps<World> {
            Steps::new().with(Self)
        }

        async fn run(&self, flow: &Flow<'_, World>, input: &String) -> Result<(), StepError> {
            flow.step(self, input).await
        }
    }

    let bench = Bench::new(&[(1, Cut::DieBefore)]);
    // As late as the clocks of the next two centuries, and an id as long as a UUID.
    bench
        .machine
        .advance_to(Timestamp::from_millis(9_000_000_000_000));
    let (id, input) = (RunId::new("0".repeat(36)), "x".repeat(100));
    let invocation = bench.invocation();
    let run = bench
        .engine
        .run(&Sync, &bench.world, &id, &input, invocation);
    let mut worker: Worker<'_, _> = Box::pin(run);
    assert!(matches!(bench.machine.turn(&mut worker), Turn::Death));
    let run = at_once(bench.journal.load(&id)).unwrap().unwrap();
    let json = serde_json::to_string(&run).unwrap();
    assert!(json.len() < 520, "{}: {json}", json.len());
    assert_eq!(serde_json::from_str::<Run>(&json).unwrap(), run);
}

#[test]
fn messages_are_cut_and_only_the_last_errors_are_kept_besides_the_cause() {
    let bench = Bench::new(&[]);
    let long = "é".repeat(150);
    for number in 0..6 {
        let error = StepError::transient(format!("{number}{long}"));
        let workflow = Reading(Err(error));
        if let Outcome::Suspended { until, .. } = bench.deliver(&workflow, &()).unwrap() {
            bench.machine.advance_to(until);
        }
    }
    bench
        .deliver(&Reading(Err(StepError::permanent("gone"))), &())
        .unwrap();
    let run = bench.run();
    let first: String = run
        .errors
        .iter()
        .filter_map(|error| error.message.chars().next())
        .collect();
    assert_eq!(first, "2345");
    assert!(
        run.errors
            .iter()
            .all(|error| error.message.len() <= RunError::MAX_MESSAGE)
    );
    assert_eq!(run.cause.unwrap().to_string(), "ask: gone");
}

#[test]
fn a_workflow_that_only_reads_is_recorded_as_done() {
    let bench = Bench::new(&[]);
    assert_eq!(
        bench.deliver(&Reading(Ok(())), &()).unwrap(),
        Outcome::Done(())
    );
    assert_eq!(bench.run().state, RunState::Done);
    assert_eq!(bench.machine.operations(), 1);
}

#[test]
fn a_read_that_fails_for_good_is_recorded_as_the_cause() {
    let bench = Bench::new(&[]);
    let reading = Reading(Err(StepError::permanent("not there")));
    let outcome = bench.deliver(&reading, &()).unwrap();
    assert!(matches!(outcome, Outcome::Reverted { .. }), "{outcome:?}");
    let cause = bench.run().cause.map(|cause| cause.to_string());
    assert_eq!(cause, Some("ask: not there".to_owned()));
    assert_eq!(bench.machine.operations(), 1, "there is nothing to undo");
}

#[test]
fn a_last_write_whose_reply_was_lost_is_recognised_also_where_the_record_is_dropped() {
    for drops in [false, true] {
        for cut in [Cut::LoseReply, Cut::LoseRequest] {
            let machine = Machine::new(&[(2, cut)]);
            let mut journal = CutJournal::new(&machine);
            journal.drops = drops;
            let bench = Bench::on(journal, World::new(machine.clone()), machine);
            assert_eq!(bench.play(&[act("a")]), Outcome::Done(Vec::new()));
            assert_eq!(bench.run().state, RunState::Done);
            assert_eq!(bench.standing(), ["a"]);
        }
    }
}

#[test]
fn a_late_write_of_the_journal_changes_nothing() {
    for operation in [0, 2, 4] {
        let bench = Bench::new(&[(operation, Cut::Late)]);
        assert_eq!(bench.play(&[act("a"), act("b")]), Outcome::Done(Vec::new()));
        let run = bench.run();
        bench.machine.advance(Duration::from_hours(1));
        assert_eq!(bench.run(), run);
    }
}

#[test]
fn a_run_whose_record_would_become_too_large_fails_before_the_step_acts() {
    let machine = Machine::new(&[]);
    let world = World::new(machine.clone());
    let mut journal = CutJournal::new(&machine);
    journal.max_size = 50_000;
    let engine = Engine::new(Arc::new(journal)).with_environment(Arc::new(machine.clone()));
    let program = Program(vec![act("a"), act(&"b".repeat(30_000))]);
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
    let mut journal = CutJournal::new(&machine);
    journal.max_size = 50_000;
    let engine = Engine::new(Arc::new(journal)).with_environment(Arc::new(machine.clone()));
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
    let mut journal = CutJournal::new(&machine);
    journal.max_size = 50_000;
    let engine = Engine::new(Arc::new(journal)).with_environment(Arc::new(machine));
    let id = RunId::new("run");
    let run = engine.run(&Verbose, &world, &id, &(), Invocation::default());
    assert!(matches!(
        run.now_or_never().unwrap(),
        Ok(Outcome::Reverted { .. })
    ));
    assert!(world.standing().is_empty());
}

#[test]
fn an_answer_that_makes_the_record_too_large_fails_the_step_and_undoes_it() {
    struct Verbose;

    impl Step<World> for Verbose {
        const NAME: &'static str = "verbose";
        type Input = ();
        type Output = String;
        type Undo = ();

        async fn invoke(&self, world: &World, (): &(), call: &Call) -> StepResult<Self, World> {
            world.act("a", call).await?;
            Ok(StepResponse::new("x".repeat(50_000)))
        }

        async fn compensate(
            &self,
            world: &World,
            (): &(),
            _: Option<&()>,
            call: &Call,
        ) -> Result<(), StepError> {
            world.undo("a", call).await
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
    let mut journal = CutJournal::new(&machine);
    journal.max_size = 50_000;
    let engine = Engine::new(Arc::new(journal)).with_environment(Arc::new(machine));
    let id = RunId::new("run");
    let run = engine.run(&Verbose, &world, &id, &(), Invocation::default());
    assert!(matches!(
        run.now_or_never().unwrap(),
        Ok(Outcome::Reverted { .. })
    ));
    assert!(world.standing().is_empty());
}
