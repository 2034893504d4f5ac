"""What infra/template.yaml says of the functions, where somebody else than CloudFormation has to know it."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml  # comes with cfn-lint

from project import ROOT, TEMPLATE, Problem

# What the application keeps its state in. An emulator that has these can carry it.
_STATE = ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SecretsManager::Secret")
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms, `!Ref A`, as the long ones."""


def _long_form(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)


@cache
def _template() -> dict[str, Any]:
    template: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)  # noqa: S506 - a safe loader
    return template


def _of_type(*types: str) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in _template()["Resources"].items() if one["Type"] in types}


def _function_of(expression: Any) -> str:
    """The name of the function that an expression refers to."""
    logical_id = str(expression["Ref"]) if "Ref" in expression else expression["Fn::GetAtt"][0]
    return functions()[logical_id.removesuffix(".Alias")]


@cache
def functions() -> dict[str, str]:
    """The functions' names, which are those of their crates, by logical id."""
    return {
        logical_id: str(one["Properties"]["CodeUri"]).rstrip("/").rpartition("/")[2]
        for logical_id, one in _of_type("AWS::Serverless::Function").items()
    }


@dataclass(frozen=True)
class Consumer:
    """A function, and the queue (its logical id) that it is invoked with batches of."""

    function: str
    queue: str
    batch_size: int


def consumer() -> Consumer:
    """The one function that consumes a queue."""
    (mapping,) = _of_type("AWS::Lambda::EventSourceMapping").values()
    properties = mapping["Properties"]
    return Consumer(
        _function_of(properties["FunctionName"]),
        properties["EventSourceArn"]["Fn::GetAtt"][0],
        properties["BatchSize"],
    )


@dataclass(frozen=True)
class Schedule:
    """A function, how often it is invoked, and with what: JSON, or Scheduler's own event where that is None."""

    function: str
    rate: str
    input: str | None


def schedules() -> list[Schedule]:
    """The schedules with a fixed rate. One that a parameter sets, when a reconciliation begins by itself, is left out."""
    every = [one["Properties"] for one in _of_type("AWS::Scheduler::Schedule").values()]
    return [
        Schedule(_function_of(one["Target"]["Arn"]), one["ScheduleExpression"], one["Target"].get("Input"))
        for one in every
        if isinstance(one["ScheduleExpression"], str)
    ]


def routes() -> dict[str, str]:
    """The function that answers each route of the API, such as `GET /health`."""
    integrations = _of_type("AWS::ApiGatewayV2::Integration")

    def function(target: Mapping[str, str]) -> str:
        integration = re.fullmatch(r"integrations/\$\{(\w+)\}", target["Fn::Sub"])
        assert integration
        return _function_of(integrations[integration[1]]["Properties"]["IntegrationUri"])

    return {
        one["Properties"]["RouteKey"]: function(one["Properties"]["Target"])
        for one in _of_type("AWS::ApiGatewayV2::Route").values()
    }


def state_alone() -> tuple[dict[str, Any], dict[str, str]]:
    """A template of the tables, queues and secrets alone.

    Its outputs are those that are about them, and the functions' environment: the second value says which output is
    which variable.
    """
    whole, kept = _template(), _of_type(*_STATE)
    known = {*kept, *whole["Parameters"]}
    outputs = {name: {"Value": one["Value"]} for name, one in whole["Outputs"].items() if _refers_to(one) <= known}
    variables = {f"Environment{place}": name for place, name in enumerate(environment())}
    outputs |= {output: {"Value": environment()[name]} for output, name in variables.items()}
    if unknown := {name for name, value in environment().items() if not _refers_to(value) <= known}:
        raise Problem(f"infra/template.yaml: {', '.join(sorted(unknown))}: of a resource that is not deployed here")
    template = {
        "AWSTemplateFormatVersion": whole["AWSTemplateFormatVersion"],
        "Parameters": whole["Parameters"],
        "Conditions": whole["Conditions"],  # which are about parameters
        "Resources": kept,
        "Outputs": outputs,
    }
    return template, variables


@cache
def environment() -> dict[str, Any]:
    """The environment of all functions at once, as expressions: a variable means the same to each that has it."""
    merged: dict[str, Any] = {}
    functions = _of_type("AWS::Serverless::Function")
    for one in (_template()["Globals"]["Function"], *(one["Properties"] for one in functions.values())):
        for name, value in one.get("Environment", {}).get("Variables", {}).items():
            if merged.setdefault(name, value) != value:
                raise Problem(f"infra/template.yaml: {name} means one thing to one function and another to another")
    return merged


def _refers_to(expression: Any) -> set[str]:
    """The logical ids in an expression; those of AWS itself left out."""
    match expression:
        case {"Ref": str(name)}:
            found = {name}
        case {"Fn::GetAtt": [str(name), *_]}:
            found = {name}
        case {"Fn::Sub": str(text)}:
            found = {name.partition(".")[0] for name in re.findall(r"\$\{([^}]+)\}", text)}
        case dict():
            found = set[str]().union(*map(_refers_to, expression.values()))
        case list():
            found = set[str]().union(*map(_refers_to, expression))
        case _:
            found = set()
    return {name for name in found if not name.startswith("AWS::")}


def check_router() -> None:
    """A problem where `cargo lambda watch` is told other routes, in Cargo.toml, than the template has."""
    metadata = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["metadata"]
    found = {
        (method, route["path"]): route["function"]
        for route in metadata["lambda"]["watch"]["router"]
        for method in route.get("methods", _METHODS)
    }
    # What the fallback answers need not be named.
    named = {_watched(key.partition(" ")[2]) for key, function in routes().items() if function != routes()["$default"]}
    paths = {path for _, path in found} | named | {"/{*path}"}
    wanted = {(method, path): _answering(method, path) for path in paths for method in _METHODS}
    if wrong := sorted(" ".join(key) for key, function in wanted.items() if found.get(key) != function):
        raise Problem(f"Cargo.toml: workspace.metadata.lambda.watch.router: {', '.join(wrong)}: not as in the template")


def _watched(path: str) -> str:
    """The path of a route as `cargo lambda watch` spells it."""
    return path.replace("{proxy+}", "{*path}")


def _answering(method: str, path: str) -> str:
    """The function of the route that API Gateway chooses: the one without {proxy+}, then the one with fewer variables."""
    fitting = {
        ("+}" not in key, -key.count("{")): function
        for key, function in routes().items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", _watched(key)).replace("{*path}", ".+"), f"{method} {path}")
    }
    return fitting[max(fitting)] if fitting else routes()["$default"]
