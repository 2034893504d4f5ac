//! Workflows as data, so that they can be enumerated and drawn at random.

use futures::{FutureExt, future::BoxFuture};
use workflow::{
    Call, Flow, IrreversibleStep, RetryPolicy, Step, StepError, StepResponse, StepResult, Steps,
    Workflow,
};

use crate::world::World;

/// A piece of a workflow. Names are unique within one workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// A step with a compensation.
    Act(String),
    /// One that the run can do without.
    Optional(String),
    /// A step that nothing undoes.
    Mail(String),
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

pub(crate) fn mail(name: &str) -> Node {
    Node::Mail(name.to_owned())
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
                    Node::Act(name) | Node::Optional(name) | Node::Mail(name) => {
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

impl Program {
    /// The effects that nothing undoes.
    pub(crate) fn mails(&self) -> Vec<String> {
        let is_mail = |effect: &String| effect.rsplit('/').next().unwrap().starts_with('m');
        self.effects().into_iter().filter(is_mail).collect()
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
                Node::Act(name) => flow.step(&Act, &effect(name)).named(name).await?,
                Node::Optional(name) => {
                    let effect_name = effect(name);
                    let call = flow.step(&Act, &effect_name).optional().named(name);
                    if call.await?.is_none() {
                        skipped.push(effect(name));
                    }
                }
                Node::Mail(name) => {
                    let effect = effect(name);
                    flow.irreversible_step(&Mail, &effect).named(name).await?;
                }
                Node::Parallel(branches) => {
                    let branches: Vec<_> = branches
                        .iter()
                        .map(|branch| sequence(branch, flow))
                        .collect();
                    skipped.extend(flow.parallelize_all(branches).await?.into_iter().flatten());
                }
                Node::Nested(name, nodes) => {
                    let (program, input) = (Program(nodes.clone()), String::new());
                    skipped.extend(flow.workflow(&program, &input).named(name).await?);
                }
            }
        }
        Ok(skipped)
    }
    .boxed()
}

/// Makes an effect; its compensation undoes it.
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
        world.act(name, call).await?;
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
        world.undo(name, call).await
    }
}

/// Makes an effect that nothing undoes.
pub(crate) struct Mail;

impl IrreversibleStep<World> for Mail {
    const NAME: &'static str = "mail";
    type Input = String;
    type Output = ();

    async fn invoke(&self, world: &World, name: &String, call: &Call) -> Result<(), StepError> {
        world.act(name, call).await
    }
}
