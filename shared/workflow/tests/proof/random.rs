//! Random workflows, faults, redeliveries and interleavings; a case that fails is shrunk and printed.
//!
//! `WORKFLOW_CASES` says how many cases are drawn (20,000 where it is not set), and `WORKFLOW_SEED` from which seed (a
//! new one each time, which is printed).

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{select, subsequence},
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use workflow::{Environment, RunState, SystemEnvironment};

use crate::{
    driver::Scene,
    program::{Node, Program},
    sim::{Cut, Machine},
};

/// The most operations into which cuts are drawn.
const OPERATIONS: usize = 40;

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent choices")]
struct Case {
    program: Program,
    plan: BTreeMap<usize, Cut>,
    /// Effects that are always refused (by their place among all), and whether they act all the same.
    refused: Vec<(usize, bool)>,
    /// Effects whose compensation is always refused.
    stuck: Vec<usize>,
    /// Which delivery cancels the run.
    cancelled: Option<u32>,
    stores_failures: bool,
    undoes_by_name: bool,
    /// Whether the time budget is so short that the run is paused at its second suspension.
    is_short: bool,
    /// Whether a run that was reverted is asked for again.
    again: bool,
}

/// Pieces without names; they are named by their place, so that names are unique.
fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let leaf = prop_oneof![
        5 => Just(Node::Act(String::new())),
        1 => Just(Node::Optional(String::new())),
        1 => Just(Node::Mail(String::new())),
    ];
    let node = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(vec(inner.clone(), 1..3), 2..4).prop_map(Node::Parallel),
            vec(inner, 1..4).prop_map(|nodes| Node::Nested(String::new(), nodes)),
        ]
    });
    vec(node, 1..5)
}

fn named(nodes: Vec<Node>, next: &mut u32) -> Vec<Node> {
    let named_one = |node| {
        *next += 1;
        let name = format!("s{next}");
        match node {
            Node::Act(_) => Node::Act(name),
            Node::Optional(_) => Node::Optional(name),
            Node::Mail(_) => Node::Mail(format!("m{next}")),
            Node::Parallel(branches) => Node::Parallel(
                branches
                    .into_iter()
                    .map(|branch| named(branch, next))
                    .collect(),
            ),
            Node::Nested(_, nodes) => Node::Nested(name, named(nodes, next)),
        }
    };
    nodes.into_iter().map(named_one).collect()
}

prop_compose! {
    fn case()(
        nodes in nodes(),
        cuts in vec((0..OPERATIONS, select(&Cut::ALL[..])), 0..6),
        refused in prop_oneof![3 => Just(None), 1 => (0..12_usize, any::<bool>()).prop_map(Some)],
        stuck in subsequence((0..12).collect::<Vec<usize>>(), 0..3),
        is_stuck in prop::bool::weighted(0.1),
        cancelled in option::weighted(0.2, 1..6_u32),
        (stores_failures, undoes_by_name, is_short, again) in any::<(bool, bool, bool, bool)>(),
    ) -> Case {
        Case {
            program: Program(named(nodes, &mut 0)),
            plan: cuts.into_iter().collect(),
            refused: refused.into_iter().collect(),
            stuck: if is_stuck { stuck } else { Vec::new() },
            cancelled,
            stores_failures,
            undoes_by_name,
            is_short,
            again,
        }
    }
}

fn play(case: &Case) -> Result<(RunState, usize), String> {
    let plan: Vec<(usize, Cut)> = case.plan.iter().map(|(at, cut)| (*at, *cut)).collect();
    let machine = Machine::new(&plan);
    let mut scene = Scene::new(case.program.clone(), &machine);
    let effects = case.program.effects();
    let effect = |at: &usize| effects.get(*at).cloned();
    scene.world.refused = case
        .refused
        .iter()
        .filter_map(|(at, acts)| Some((effect(at)?, *acts)))
        .collect();
    scene.world.stuck = case.stuck.iter().filter_map(effect).collect();
    scene.world.stores_failures = case.stores_failures;
    scene.world.undoes_by_name = case.undoes_by_name;
    scene.cancelled = case.cancelled;
    // What cancels a run that is over does nothing, so that a worker which stands still may begin it again.
    scene.again = case.again && case.cancelled.is_none();
    if case.is_short {
        scene.config.time_budget = Duration::from_secs(20);
    }
    let settled = scene.settle()?;
    Ok((settled, machine.cuts()))
}

#[test]
fn whatever_the_workflow_and_the_faults_a_run_is_all_or_nothing_or_names_what_is_left() {
    crate::without_planned_panics(|| {
        let number = |name| {
            std::env::var(name)
                .ok()
                .map(|number| number.parse().expect("a number"))
        };
        let seed: u64 = number("WORKFLOW_SEED").unwrap_or_else(|| SystemEnvironment.random());
        println!("random: WORKFLOW_SEED={seed}");
        let cases = number("WORKFLOW_CASES").map_or(20_000, |cases| {
            u32::try_from(cases).expect("a number of cases")
        });
        let config = ProptestConfig {
            cases,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut runner =
            TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let tally = RefCell::new((BTreeMap::new(), 0, 0));
        let result = runner.run(&case(), |case| {
            let (state, cut) = play(&case).map_err(TestCaseError::fail)?;
            let (settled, played, cuts) = &mut *tally.borrow_mut();
            *settled.entry(state.as_str()).or_insert(0) += 1;
            *played += 1;
            *cuts += cut;
            Ok(())
        });
        let (settled, played, cuts) = tally.into_inner();
        println!("random: {played} cases, {cuts} cuts, settled {settled:?}");
        if let Err(failed) = result {
            panic!("{failed}");
        }
        assert!(cuts > played / 2, "hardly anything was cut");
        for state in [RunState::Done, RunState::Reverted, RunState::Failed] {
            assert!(settled.contains_key(state.as_str()), "no run ended {state}");
        }
    });
}
