//! The crash matrix: every shape of workflow, cut at every operation in every way; and then cut a second time, at every
//! operation of whoever takes over.

use std::collections::{BTreeMap, BTreeSet};

use workflow::RunState;

use crate::{
    driver::Scene,
    program::{Node, Program, act, mail, optional},
    sim::{Cut, Machine},
};

struct Shape {
    name: String,
    program: Program,
    refused: Option<(&'static str, bool)>,
    stuck: Option<&'static str>,
}

impl Shape {
    fn can_succeed(&self) -> bool {
        self.refused
            .is_none_or(|(name, _)| is_optional(&self.program.0, name))
    }
}

fn shapes() -> Vec<Shape> {
    let nested = |nodes| Node::Nested("child".to_owned(), nodes);
    let programs = [
        ("one step", vec![act("a"), mail("m")]),
        ("straight", vec![act("a"), act("b"), act("c"), mail("m")]),
        (
            "mails between",
            vec![mail("m"), act("a"), mail("m2"), act("b")],
        ),
        (
            "parallel",
            vec![
                act("a"),
                Node::Parallel(vec![vec![act("b")], vec![act("c"), mail("m")]]),
                act("d"),
            ],
        ),
        (
            "parallel first",
            vec![Node::Parallel(vec![
                vec![act("a"), act("b")],
                vec![act("c")],
                vec![mail("m")],
            ])],
        ),
        (
            "nested",
            vec![
                act("a"),
                nested(vec![act("b"), act("c")]),
                act("d"),
                mail("m"),
            ],
        ),
        (
            "optional",
            vec![act("a"), optional("b"), act("c"), mail("m")],
        ),
        (
            "parallel of nested and optional",
            vec![
                Node::Parallel(vec![
                    vec![nested(vec![act("a"), optional("b")])],
                    vec![act("c")],
                ]),
                mail("m"),
            ],
        ),
    ];
    let mut shapes = Vec::new();
    for (name, nodes) in programs {
        let program = Program(nodes);
        let shape = |name, refused, stuck| Shape {
            name,
            program: program.clone(),
            refused,
            stuck,
        };
        shapes.push(shape(name.to_owned(), None, None));
        for effect in program.effects() {
            let effect: &'static str = effect.leak();
            for acts in [false, true] {
                let how = if acts {
                    "fails after acting"
                } else {
                    "fails before acting"
                };
                shapes.push(shape(
                    format!("{name}, {effect} {how}"),
                    Some((effect, acts)),
                    None,
                ));
            }
        }
    }
    // A compensation that fails for good leaves its effect, names it, and keeps no other from being undone.
    let program = Program(vec![act("a"), act("b"), act("c")]);
    for stuck in ["a", "b", "c"] {
        let (name, program) = (format!("straight, {stuck} is stuck"), program.clone());
        shapes.push(Shape {
            name,
            program,
            refused: Some(("c", true)),
            stuck: Some(stuck),
        });
    }
    shapes
}

fn scene(shape: &Shape, plan: &[(usize, Cut)]) -> (Scene, Machine) {
    let machine = Machine::new(plan);
    let mut scene = Scene::new(shape.program.clone(), &machine);
    scene.world.refused = shape
        .refused
        .iter()
        .map(|(name, acts)| ((*name).to_owned(), *acts))
        .collect();
    scene.world.stuck = shape.stuck.iter().map(|name| (*name).to_owned()).collect();
    scene.world.stores_failures = shape.name.len().is_multiple_of(2);
    (scene, machine)
}

#[derive(Default)]
struct Tally {
    scenes: usize,
    cuts: BTreeMap<Cut, usize>,
    settled: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// Plays the shape with that plan; answers how many operations were made.
    fn play(&mut self, shape: &Shape, plan: &[(usize, Cut)]) -> usize {
        let (scene, machine) = scene(shape, plan);
        let settled = scene
            .settle()
            .unwrap_or_else(|wrong| panic!("{} with {plan:?}: {wrong}", shape.name));
        self.scenes += 1;
        *self.settled.entry(settled.as_str()).or_default() += 1;
        if machine.cuts() == plan.len() {
            for (_, cut) in plan {
                *self.cuts.entry(*cut).or_default() += 1;
            }
        }
        if plan.is_empty() {
            let expected = match (shape.can_succeed(), shape.stuck.is_some()) {
                (_, true) => RunState::Failed,
                (false, false) => RunState::Reverted,
                (true, false) => RunState::Done,
            };
            assert_eq!(settled, expected, "{}", shape.name);
        }
        machine.operations()
    }
}

fn is_optional(nodes: &[Node], effect: &str) -> bool {
    nodes.iter().any(|node| match node {
        Node::Optional(name) => name == effect,
        Node::Nested(name, nodes) => effect
            .strip_prefix(&format!("{name}/"))
            .is_some_and(|effect| is_optional(nodes, effect)),
        Node::Parallel(branches) => branches.iter().any(|branch| is_optional(branch, effect)),
        Node::Act(_) | Node::Mail(_) => false,
    })
}

/// Every fifth cut, others at each operation; or all, which takes minutes, where `WORKFLOW_CUTS=all` is set.
fn second_cuts(at: usize) -> impl Iterator<Item = Cut> {
    let all = std::env::var_os("WORKFLOW_CUTS").is_some_and(|cuts| cuts == "all");
    let cuts = Cut::ALL.into_iter().enumerate();
    cuts.filter(move |(index, _)| all || (index + at).is_multiple_of(5))
        .map(|(_, cut)| cut)
}

/// Plays the shapes with every cut and pairs of cuts; they end in each of those states at times, and in no other.
fn play_all(shapes: &[Shape], ends: &[RunState]) {
    let mut tally = Tally::default();
    crate::without_planned_panics(|| {
        for shape in shapes {
            let operations = tally.play(shape, &[]);
            for first in 0..operations {
                for cut in Cut::ALL {
                    let operations = tally.play(shape, &[(first, cut)]);
                    for second in first + 1..operations {
                        for again in second_cuts(first + second) {
                            tally.play(shape, &[(first, cut), (second, again)]);
                        }
                    }
                }
            }
        }
    });
    println!(
        "crash matrix: {} scenes, settled {:?}, cuts {:?}",
        tally.scenes, tally.settled, tally.cuts
    );
    for cut in Cut::ALL {
        assert!(
            tally.cuts.get(&cut).is_some_and(|count| *count > 1000),
            "{cut:?} was hardly ever made"
        );
    }
    let settled: BTreeSet<&str> = tally.settled.keys().copied().collect();
    assert_eq!(settled, ends.iter().map(|state| state.as_str()).collect());
}

// In two halves, which run side by side.

#[test]
fn whatever_is_cut_a_run_that_could_succeed_is_all_or_nothing_or_names_what_is_left() {
    let (can_succeed, _): (Vec<Shape>, Vec<Shape>) =
        shapes().into_iter().partition(Shape::can_succeed);
    play_all(
        &can_succeed,
        &[RunState::Done, RunState::Reverted, RunState::Failed],
    );
}

#[test]
fn whatever_is_cut_a_run_that_must_fail_is_all_or_nothing_or_names_what_is_left() {
    let (_, must_fail): (Vec<Shape>, Vec<Shape>) =
        shapes().into_iter().partition(Shape::can_succeed);
    play_all(&must_fail, &[RunState::Reverted, RunState::Failed]);
}
