"""The template's parameters: what each is to be, and how they are handed on.

Before each other go: the command line, samconfig.toml, what the stack has, the template's defaults. All are handed on,
so that a release can be told by them.
"""

import getpass
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from project import Problem
from stacks import Stack

API_KEY = "CmsApiKey"
RELEASE = "Release"
PROTECTION = "DeletionProtection"
OF_DATA = (PROTECTION, "TablesKeyArn")
"""Parameters that guard data: a rollback leaves them as they are."""
_WAITS = (
    ("SyncRetryFirstSeconds", "SyncRetryMaxSeconds"),
    ("CircuitProbeFirstSeconds", "CircuitProbeMaxSeconds"),
)


class _Loader(yaml.SafeLoader):
    """Reads a template; what its functions (!Ref, !Sub …) give is of no interest here."""


_Loader.add_multi_constructor("!", lambda *_: None)


def settled(template: str, stack: Stack | None, *overrides: Sequence[str]) -> dict[str, str]:
    """The value of every parameter but the secret one and the release; later overrides go before earlier ones."""
    declared: dict[str, dict[str, Any]] = yaml.load(template, _Loader)["Parameters"]  # a SafeLoader
    given = {name: value for texts in overrides for name, value in map(_parsed, texts)}
    if API_KEY in given:
        raise Problem(f"{API_KEY} is a secret, which no command line should hold: CMS_API_KEY in the environment")
    if RELEASE in given:
        raise Problem(f"{RELEASE} is set by the deployment")
    if unknown := sorted(given.keys() - declared.keys()):
        raise Problem(f"{', '.join(unknown)}: no parameter of the template; it has {', '.join(declared)}")
    defaults = {name: str(about["Default"]) for name, about in declared.items() if "Default" in about}
    known = defaults | (stack.parameters if stack else {}) | given
    wanted = declared.keys() - {API_KEY, RELEASE}
    if missing := sorted(wanted - known.keys()):
        about = "; ".join(f"{name}: {declared[name]['Description']}" for name in missing)
        raise Problem(f"{about}\n  make deploy PARAMETERS='{missing[0]}=…', or in infra/samconfig.toml")
    values = {name: known[name] for name in sorted(wanted)}
    if problems := [*_problems(declared, values)]:
        raise Problem("\n".join(problems))
    return values


def _problems(declared: Mapping[str, dict[str, Any]], values: Mapping[str, str]) -> Iterator[str]:
    """What CloudFormation, Lambda or a function would refuse later, some of it in the middle of an update."""
    for name, value in values.items():
        about = declared[name]
        least, most = about.get("MinValue", 0), about.get("MaxValue")
        allowed = [str(one) for one in about.get("AllowedValues", [])]
        if about["Type"] == "Number" and not re.fullmatch("[0-9]+", value):
            yield f"{name}={value}: must be a whole number"
        elif about["Type"] == "Number" and not least <= int(value) <= (int(value) if most is None else most):
            yield f"{name}={value}: must be {least} or more" + ("" if most is None else f", and at most {most}")
        elif allowed and value not in allowed:
            yield f"{name}={value}: must be one of {', '.join(allowed)}"
        elif not re.fullmatch(about.get("AllowedPattern", ".*"), value):
            yield f"{name}={value}: {about.get('ConstraintDescription') or 'must match ' + about['AllowedPattern']}"
    for first, longest in _WAITS:
        if first in values and longest in values and values[first].isdigit() and values[longest].isdigit():
            if int(values[first]) > int(values[longest]):
                yield f"{longest}={values[longest]}: must be no less than {first}, which is {values[first]}"


def _parsed(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Problem(f"{text}: not of the form NAME=VALUE")
    return name, value


def api_key(stack: Stack | None) -> str | None:
    """The CMS's API key, where it is to be set: from the environment, or from the terminal for a new stack."""
    if key := os.environ.pop("CMS_API_KEY", ""):
        return key
    if stack:
        return None
    if not sys.stdin.isatty():
        raise Problem(
            "CMS_API_KEY is not set, and there is no terminal to ask at: the CMS's API key, or any text for `stub:`"
        )
    if key := getpass.getpass("The CMS's API key (not shown): "):
        return key
    raise Problem("no API key was given")


@contextmanager
def file_of(values: Mapping[str, str], folder: Path) -> Iterator[str]:
    """The parameters as a file that only this user may read, while SAM needs it: a command line would show them."""
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix="parameters-", suffix=".yaml") as file:  # mode 0600
        json.dump(dict(values), file)  # JSON is YAML, which is what SAM reads
        file.flush()
        yield f"file://{file.name}"
