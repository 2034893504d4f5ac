"""Compares a role's calls with its policy's grants, both ways."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import template  # noqa: F401 (it finds infra/local)

from calls import Call

Statement = dict[str, Any]


@dataclass(frozen=True)
class Grant:
    """One action on one resource."""

    action: str
    resource: str
    leading_keys: tuple[str, ...] | None
    """The partition keys that the condition permits; None if there is no condition."""

    def allows(self, call: Call) -> bool:
        """Whether the grant covers the call. A condition on keys covers no call whose keys are unknown."""
        if (self.action, self.resource) != (call.action, call.resource):
            return False
        return self.leading_keys is None or bool(call.leading_keys) and {*call.leading_keys} <= {*self.leading_keys}


def problems(statements: Iterable[Statement], calls: Iterable[Call]) -> list[str]:
    """The calls that were refused or are not granted, and the grants that no call uses."""
    granted, made = list(_grants(statements)), list(calls)
    return sorted(
        [f"refused: {_text(call)}" for call in made if call.refused]
        + [f"not granted: {_text(call)}" for call in made if not any(grant.allows(call) for grant in granted)]
        + [f"never used: {_text(grant)}" for grant in granted if not any(grant.allows(call) for call in made)]
    )


def _grants(statements: Iterable[Statement]) -> Iterator[Grant]:
    for statement in statements:
        assert statement["Effect"] == "Allow", f"cannot compare: {statement}"
        match statement.get("Condition"):
            case None:
                keys = None
            case {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [*values], **others}, **more} if not (
                others or more
            ):
                keys = tuple(values)
            case _:
                raise AssertionError(f"cannot compare: {statement}")
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                yield Grant(action, resource, keys)


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _text(what: Call | Grant) -> str:
    keys = f", of {', '.join(what.leading_keys)}" if what.leading_keys else ""
    return f"{what.action} on {what.resource}{keys}"
