"""Reads the template for its tests: as written, and as SAM transforms it for CloudFormation."""

import copy
import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml
from samtranslator.translator.transform import transform

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "infra" / "template.yaml"
sys.path += [str(ROOT / "infra" / "deploy"), str(ROOT / "infra" / "local")]  # what is tested, and what it needs

logging.getLogger("samtranslator").setLevel(logging.CRITICAL)  # it warns of the metrics that AWS has of it

Template = dict[str, Any]
Resource = dict[str, Any]


class _NoManagedPolicies:
    """SAM asks for the ARNs of managed policies by name; here none is named."""

    def load(self) -> dict[str, str]:
        return {}


def written(file: Path = FILE) -> Template:
    """The template as written, with its functions (!Ref, !GetAtt …) in their long form."""
    template: Template = json.loads(json.dumps(cfn_yaml.load(str(file))))
    return template


def transformed(file: Path = FILE, /, **parameters: str) -> Template:
    """The template as CloudFormation gets it. SAM reads the given parameters."""
    template = written(file)
    for name, value in parameters.items():
        template["Parameters"][name]["Default"] = value
    for resource in of_type(template, "AWS::Serverless::Function").values():
        name = re.sub(r"\W", "", resource["Properties"]["CodeUri"])
        resource["Properties"]["CodeUri"] = f"s3://code/{name}"  # as it is once it is packaged
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # SAM wants to know for which it is
    made: Template = transform(copy.deepcopy(template), {}, _NoManagedPolicies())
    return made


def broken_rules(**parameters: str) -> list[str]:
    """The assertions that CloudFormation would refuse these parameters by."""

    def value(expression: Any) -> Any:
        match expression:
            case {"Ref": name}:
                return parameters[name]
            case {"Fn::Equals": [one, other]}:
                return value(one) == value(other)
            case {"Fn::Not": [condition]}:
                return not value(condition)
            case {"Fn::Contains": [texts, text]}:
                return value(text) in texts
        assert isinstance(expression, str), expression
        return expression

    rules = [rule for rule in written()["Rules"].values() if value(rule["RuleCondition"])]
    assertions = [assertion for rule in rules for assertion in rule["Assertions"]]
    return [one["AssertDescription"] for one in assertions if not value(one["Assert"])]


def of_type(template: Template, *types: str) -> dict[str, Resource]:
    """Its resources of these types, by logical id."""
    return {id: resource for id, resource in template["Resources"].items() if resource["Type"] in types}
