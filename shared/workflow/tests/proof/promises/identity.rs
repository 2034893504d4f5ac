//! A run is known by its id: asked for again, shown, listed, forgotten.

use super::prelude::*;

#[test]
fn a_run_that_is_done_answers_its_stored_output_and_nothing_is_done_again() {
    let bench = Bench::refusing("b", true);
    let nodes = [act("a"), optional("b")];
    let skipped = Outcome::Done(vec!["b".to_owned()]);
    assert_eq!(bench.play(&nodes), skipped);
    let operations = bench.machine.operations();
    assert_eq!(bench.play(&nodes), skipped);
    assert_eq!(
        bench.machine.operations(),
        operations + 1,
        "the attempt to begin it finds that it is done"
    );
}

#[test]
fn another_input_under_the_same_id_is_an_error_and_changes_nothing() {
    let bench = Bench::new(&[]);
    bench.play(&[act("a")]);
    let before = bench.run();
    let other = bench.deliver(&Program(vec![act("a")]), &"other".to_owned());
    assert!(
        matches!(other, Err(EngineError::Conflict { what: "input", .. })),
        "{other:?}"
    );
    let other = bench.deliver(&OneStep(Told(|_: &Call| Ok(()))), &());
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
fn a_reverted_run_that_is_asked_for_again_is_begun_afresh_with_keys_of_its_own() {
    let machine = Machine::new(&[(1, Cut::RefuseAfter)]);
    let bench = Bench::of(World::new(machine.clone()), machine);
    assert!(matches!(bench.play(&[act("a")]), Outcome::Reverted { .. }));
    assert_eq!(bench.standing(), [""; 0]);
    assert_eq!(bench.play(&[act("a")]), Outcome::Done(Vec::new()));
    assert_eq!(bench.standing(), ["a"]);
    assert_eq!(bench.run().attempt, 2);
}

#[test]
fn runs_that_are_over_expire_after_the_retention_and_others_never() {
    let retention = EngineConfig::default().retention;
    let bench = Bench::new(&[]);
    bench.play(&[act("a")]);
    assert_eq!(
        bench.run().expires_at,
        Some(bench.machine.now().plus(retention))
    );
    let bench = Bench::refusing("a", false);
    bench.play(&[act("a")]);
    assert_eq!(
        bench.run().expires_at,
        Some(bench.machine.now().plus(retention))
    );
}

#[test]
fn runs_can_be_shown_and_listed() {
    let bench = Bench::new(&[]);
    bench.play(&[act("a")]);
    let shown = bench
        .engine
        .show(&RunId::new("run"))
        .now_or_never()
        .unwrap()
        .unwrap();
    assert_eq!(shown, Some(bench.run()));
    let query = RunQuery {
        state: Some(RunState::Done),
        ..RunQuery::default()
    };
    let page = bench.engine.list(&query).now_or_never().unwrap().unwrap();
    assert_eq!((page.runs, page.next), (vec![bench.run()], None));
    assert!(bench.run().created_at > Timestamp::default());
}
