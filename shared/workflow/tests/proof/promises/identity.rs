//! A run is known by its id: asked for again, shown, forgotten.

use super::prelude::*;

#[test]
fn a_run_that_is_done_answers_its_stored_output_and_nothing_is_done_again() {
    let bench = Bench::refusing("b", true);
    let nodes = [act("a"), optional("b")];
    let skipped = Outcome::Done(vec!["b".to_owned()]);
    assert_eq!(bench.play(&nodes), skipped);
    let operations = bench.machine.operations();
    assert_eq!(bench.play(&nodes), skipped);
    assert_eq!(bench.machine.operations(), operations);
}

#[test]
fn another_input_conflicts_with_an_unfinished_run_and_changes_nothing() {
    let bench = Bench::new(&[(1, Cut::Busy), (3, Cut::Busy)]);
    let nodes = [act("a")];
    assert!(matches!(bench.play(&nodes), Outcome::Suspended { .. }));
    let before = bench.run();
    let other = bench.deliver(&Program(nodes.to_vec()), &"other".to_owned());
    assert!(
        matches!(other, Err(EngineError::Conflict { what: "input", .. })),
        "{other:?}"
    );
    let other = bench.deliver(&away(), &());
    assert!(
        matches!(
            other,
            Err(EngineError::Conflict {
                what: "workflow",
                ..
            })
        ),
        "{other:?}"
    );
    assert_eq!(bench.run(), before);
}

#[test]
fn a_run_that_is_over_is_replaced_by_one_with_another_input() {
    let bench = Bench::new(&[]);
    bench.play(&[act("a")]);
    let before = bench.run();
    bench.machine.advance(Duration::from_hours(1));
    let program = Program(vec![act("b")]);
    let done = bench.deliver(&program, &"other".to_owned()).unwrap();
    assert_eq!(done, Outcome::Done(Vec::new()));
    let run = bench.run();
    assert_eq!((run.attempt, run.steps.len()), (2, 1));
    assert!(
        run.sequence > before.sequence,
        "it rises over the record's whole life"
    );
    assert_ne!(run.nonce, before.nonce);
    assert!(run.began_at > before.began_at);
}

#[test]
fn a_reverted_run_that_is_asked_for_again_is_begun_again_with_keys_of_its_own() {
    let bench = Bench::new(&[(1, Cut::RefuseAfter)]);
    assert!(matches!(bench.play(&[act("a")]), Outcome::Reverted { .. }));
    assert_eq!(bench.standing(), [""; 0]);
    assert_eq!(bench.play(&[act("a")]), Outcome::Done(Vec::new()));
    assert_eq!(bench.standing(), ["a"]);
    let run = bench.run();
    assert_eq!((run.attempt, run.cause, run.errors.len()), (2, None, 0));
}

#[test]
fn runs_that_are_over_expire_after_the_retention_and_others_never() {
    let retention = EngineConfig::default().retention;
    for refused in ["a", "another"] {
        let bench = Bench::refusing(refused, false);
        bench.play(&[act("a")]);
        let expected = Some(bench.machine.now().plus(retention));
        assert_eq!(bench.run().expires_at, expected);
    }
    let bench = Bench::new(&[(1, Cut::Busy), (3, Cut::Busy)]);
    bench.play(&[act("a")]);
    assert_eq!(bench.run().expires_at, None);
}

#[test]
fn a_run_can_be_shown() {
    let bench = Bench::new(&[]);
    bench.play(&[act("a")]);
    let shown = at_once(bench.engine.show(&RunId::new("run"))).unwrap();
    assert_eq!(shown, Some(bench.run()));
}

#[test]
fn an_engine_on_another_journal_keeps_its_settings_and_has_runs_of_its_own() {
    let bench = Bench::new(&[]);
    bench.play(&[act("a")]);
    let journal = Arc::new(CutJournal::new(&bench.machine));
    let other = bench.engine.with_journal(journal.clone());
    let (id, program) = (RunId::new("run"), Program(vec![act("b")]));
    let input = String::new();
    let run = other.run(&program, &bench.world, &id, &input, bench.invocation());
    assert_eq!(at_once(run).unwrap(), Outcome::Done(Vec::new()));
    let there = at_once(journal.load(&id)).unwrap().unwrap();
    assert_eq!(there.began_at, bench.machine.now());
    assert_eq!(bench.observed().len(), 4);
}
