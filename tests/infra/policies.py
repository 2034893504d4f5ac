"""The check of a template for policies that allow more than is written out."""

from collections.abc import Iterator
from typing import Any

from template import Template, of_type

# The only actions that may be allowed on everything. AWS takes nothing else for them: a trace has no ARN.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
ON_EVERYTHING = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}


def problems(template: Template) -> list[str]:
    """What is allowed too widely, or is not written out; on the template before or after SAM's transform."""
    return [*_of_functions(template), *_of_roles(template), *_of_resource_policies(template)]


def _of_functions(template: Template) -> Iterator[str]:
    roles: dict[str, str] = {}
    for id, function in of_type(template, "AWS::Serverless::Function", "AWS::Lambda::Function").items():
        properties = function["Properties"]
        role = _target(properties.get("Role"))
        if role not in of_type(template, "AWS::IAM::Role"):
            yield f"{id}: its role is not one that the template writes out, so that SAM or somebody else does"
        elif role in roles:
            yield f"{id}: shares its role with {roles[role]}"
        else:
            roles[role] = id
        if "Policies" in properties:
            yield f"{id}: policies at the function may be SAM's templates or managed ones"
        if "Events" in properties:
            yield f"{id}: for an event SAM may add managed policies"


def _of_roles(template: Template) -> Iterator[str]:
    for id in of_type(template, "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
        yield f"{id}: a policy beside the roles"
    for id, role in of_type(template, "AWS::IAM::Role").items():
        properties = role["Properties"]
        if "ManagedPolicyArns" in properties:
            yield f"{id}: what a managed policy allows is not written out"
        for statement in _statements(properties["AssumeRolePolicyDocument"]):
            if list(statement.get("Principal", {})) != ["Service"]:
                yield f"{id}: others than a service may take this role"
        allowed = [
            statement
            for policy in properties.get("Policies", [])
            for statement in _statements(policy["PolicyDocument"])
        ]
        if not allowed:
            yield f"{id}: allows nothing that is written out"
        for statement in allowed:
            yield from (f"{id}: {problem}" for problem in _of_statement(statement))


def _of_resource_policies(template: Template) -> Iterator[str]:
    for id, policy in of_type(template, "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy").items():
        for statement in _statements(policy["Properties"]["PolicyDocument"]):
            # "Everybody" is who a denial is best for.
            if statement["Effect"] != "Deny":
                yield from (f"{id}: {problem}" for problem in _of_statement(statement))
                if statement.get("Principal") in ("*", {"AWS": "*"}):
                    yield f"{id}: allows everybody {statement.get('Action')}"
    for id, permission in of_type(template, "AWS::Lambda::Permission").items():
        if "SourceArn" not in permission["Properties"]:
            yield f"{id}: lets a service in, on whoever's behalf"


def _of_statement(statement: dict[str, Any]) -> Iterator[str]:
    if statement["Effect"] != "Allow":
        return
    for inverted in {"NotAction", "NotResource", "NotPrincipal"} & statement.keys():
        yield f"{inverted} allows whatever it does not name"
    actions = _listed(statement.get("Action"))
    for action in actions:
        if not isinstance(action, str) or "*" in action or "?" in action:
            yield f"the action {action} is a pattern"
    for resource in _listed(statement.get("Resource")):
        if "*" in _text(resource) and not (resource == "*" and set(actions) <= ON_EVERYTHING):
            yield f"{', '.join(map(str, actions))} on {_text(resource)}"


def _statements(document: dict[str, Any]) -> list[dict[str, Any]]:
    return _listed(document["Statement"])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(resource: Any) -> str:
    """Whatever a resource's ARN is made of."""
    return resource if isinstance(resource, str) else repr(resource)


def _target(value: Any) -> str:
    """The logical id that a !GetAtt or !Ref names."""
    match value:
        case {"Fn::GetAtt": [str(id), *_]} | {"Ref": str(id)}:
            return id
    return ""
