//! Workflows as data, so that they can be enumerated and drawn at random.

use futures::{FutureExt, future::BoxFuture};
use workflow::{
    Call, Effect, Flow, RetryPolicy, Step, StepError, StepResponse, StepResult, Steps, Workflow,
};

use crate::world::World;

/// A piece of a workflow. Names are unique within one workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// A step with a compensation.
    Act(String),
    /// One that the run can do without.
    Optional(String),
    /// A step that hands over a write.
    Mark(String),
    /// Pieces that run side by side.
    Parallel(Vec<Vec<Node>>),
    /// A workflow of its own.
    Nested(String, Vec<Node>),
}

pub(crate) fn act(name: &str) -> Node {
    Node::Act(name.to_owned())
}

pub(crate) fn optional(name: &str) -> Node {
    Node::Optional(name.to_owned())
}

pub(crate) fn mark(name: &str) -> Node {
    Node::Mark(name.to_owned())
}

/// A workflow of those pieces, one after the other. It answers the names of the optional steps that it did without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program(pub Vec<Node>);

impl Program {
    /// The effects that stand if the workflow is done, but for the optional ones that it did without.
    pub(crate) fn effects(&self) -> Vec<String> {
        fn collect(nodes: &[Node], path: &str, into: &mut Vec<String>) {
            for node in nodes {
                match node {
                    Node::Act(name) | Node::Optional(name) | Node::Mark(name) => {
                        into.push(format!("{path}{name}"));
                    }
                    Node::Parallel(branches) => branches
                        .iter()
                        .for_each(|branch| collect(branch, path, into)),
                    Node::Nested(name, nodes) => collect(nodes, &format!("{path}{name}/"), into),
                }
            }
        }
        let mut effects = Vec::new();
        collect(&self.0, "", &mut effects);
        effects
    }
}

impl Workflow<World> for Program {
    const NAME: &'static str = "program";
    type Input = String;
    type Output = Vec<String>;

    fn steps(&self) -> Steps<World> {
        Steps::new().with(Act)
    }

    async fn run(&self, flow: &Flow<'_, World>, _: &String) -> Result<Vec<String>, StepError> {
        sequence(&self.0, flow).await
    }
}

fn sequence<'a>(
    nodes: &'a [Node],
    flow: &'a Flow<'_, World>,
) -> BoxFuture<'a, Result<Vec<String>, StepError>> {
    async move {
        let mut skipped = Vec::new();
        for node in nodes {
            // The effect is named by the step's full name, so that a nested workflow's are told apart.
            let path = flow
                .run_id()
                .as_str()
                .strip_prefix("run")
                .unwrap()
                .trim_start_matches('/');
            let effect = |name: &str| {
                if path.is_empty() {
                    name.to_owned()
                } else {
                    format!("{path}/{name}")
                }
            };
            match node {
                Node::Act(name) => flow.step_as(name, &Act, &effect(name)).await?,
                Node::Optional(name) => {
                    if flow.optional_as(name, &Act, &effect(name)).await?.is_none() {
                        skipped.push(effect(name));
                    }
                }
                Node::Mark(name) => flow.step_as(name, &Mark, &effect(name)).await?,
                Node::Parallel(branches) => {
                    let branches: Vec<_> = branches
                        .iter()
                        .map(|branch| sequence(branch, flow))
                        .collect();
                    skipped.extend(flow.parallelize_all(branches).await?.into_iter().flatten());
                }
                Node::Nested(name, nodes) => {
                    let nested = flow
                        .workflow_as(name, &Program(nodes.clone()), &String::new())
                        .await?;
                    skipped.extend(nested);
                }
            }
        }
        Ok(skipped)
    }
    .boxed()
}

/// Makes an effect; its compensation takes it back.
pub(crate) struct Act;

impl Step<World> for Act {
    const NAME: &'static str = "act";
    type Input = String;
    type Output = ();
    type Undo = String;

    fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy {
            attempts: 2,
            ..RetryPolicy::default()
        }
    }

    async fn invoke(&self, world: &World, name: &String, call: &Call) -> StepResult<Self, World> {
        world.act(name, &call.idempotency_key).await?;
        Ok(StepResponse::new(()).undo(name.clone()))
    }

    async fn compensate(
        &self,
        world: &World,
        name: &String,
        undo: Option<&String>,
        call: &Call,
    ) -> Result<(), StepError> {
        assert!(
            undo.is_none_or(|undo| undo == name),
            "undo is what the step answered"
        );
        world.undo(name, &call.idempotency_key).await
    }
}

/// Hands over a write.
pub(crate) struct Mark;

impl Step<World> for Mark {
    const NAME: &'static str = "mark";
    const EFFECT: Effect = Effect::Journalled;
    type Input = String;
    type Output = ();
    type Undo = ();

    async fn invoke(&self, _: &World, name: &String, _: &Call) -> StepResult<Self, World> {
        Ok(StepResponse::new(()).write(name.clone()))
    }
}
