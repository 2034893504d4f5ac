"""Lints the template, both as written and as SAM transforms it: .venv/bin/python -B tests/infra/lint.py

cfn-lint reads all forms, checkov the transformed ones, and parliament their policies. lint.toml lists the accepted
findings with the reasons. An exception that matches no finding fails the lint.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import template
from template import FILE, ROOT, Template

from project import TARGET, Problem, shown  # infra/local's: found by `template`
from virtual_environment import VirtualEnvironment

EXCEPTIONS = ROOT / "tests" / "infra" / "lint.toml"
FOLDER = TARGET / "lint"
TOOLS = VirtualEnvironment(
    FOLDER / "tools",
    ROOT / "tests" / "infra" / "lint_requirements.txt",
    "checkov and parliament, which lint the template, under target/; once, about a minute",
)
# CodeDeploy's resources exist only in a gradual deployment.
GRADUAL_DEPLOYMENTS = ("none", "Canary10Percent5Minutes")
# The ARNs of references, by type and attribute. Any other reference becomes text that parliament rejects as an ARN.
ARNS = {
    ("AWS::CloudWatch::Alarm", "Arn"): "arn:aws:cloudwatch:us-east-1:123456789012:alarm:{}",
    ("AWS::DynamoDB::Table", "Arn"): "arn:aws:dynamodb:us-east-1:123456789012:table/{}",
    ("AWS::Lambda::Alias", "Ref"): "arn:aws:lambda:us-east-1:123456789012:function:{}:live",
    ("AWS::Lambda::Function", "Arn"): "arn:aws:lambda:us-east-1:123456789012:function:{}",
    ("AWS::Logs::LogGroup", "Arn"): "arn:aws:logs:us-east-1:123456789012:log-group:{}:*",
    ("AWS::SecretsManager::Secret", "Id"): "arn:aws:secretsmanager:us-east-1:123456789012:secret:{}-a1b2c3",
    ("AWS::SNS::Topic", "Ref"): "arn:aws:sns:us-east-1:123456789012:{}",
    ("AWS::SQS::Queue", "Arn"): "arn:aws:sqs:us-east-1:123456789012:{}",
}
# parliament's own command line would write every policy to a file in /tmp.
PARLIAMENT = """
import json, sys, warnings
warnings.simplefilter("ignore")  # pkg_resources, which parliament imports, is deprecated
from parliament import analyze_policy_string, enhance_finding
found = [
    (finding.issue, id, f"{finding.title}: {finding.detail}")
    for id, policy in json.load(sys.stdin)
    for finding in map(enhance_finding, analyze_policy_string(policy).findings)
]
json.dump(found, sys.stdout)
"""

Exceptions = dict[str, dict[str, dict[str, str]]]  # tool, rule, pattern of logical ids: reason


class Finding(NamedTuple):
    """A tool's complaint about a part of the template, named by its logical id."""

    tool: str
    rule: str
    id: str
    message: str


def findings(file: Path = FILE, folder: Path = FOLDER) -> list[Finding]:
    """Runs the tools on a template and writes its transformed forms to the folder."""
    TOOLS.prepare()
    folder.mkdir(parents=True, exist_ok=True)
    forms = {folder / f"{one}.json": template.transformed(file, GradualDeployment=one) for one in GRADUAL_DEPLOYMENTS}
    for path, form in forms.items():
        path.write_text(json.dumps(form, indent=1))
    policies = [policy for form in forms.values() for policy in _policies(form)]
    with ThreadPoolExecutor() as pool:
        runs = (
            pool.submit(_cfn_lint, [file, *forms], folder),
            pool.submit(_checkov, [*forms], folder),
            pool.submit(_parliament, policies, folder),
        )
        return [finding for run in runs for finding in run.result()]


def exceptions() -> Exceptions:
    """The accepted findings."""
    found: Exceptions = tomllib.loads(EXCEPTIONS.read_text())
    return found


def failures(found: Sequence[Finding], accepted: Exceptions) -> Iterator[Finding]:
    """The findings without an exception, each once, and the exceptions without a finding."""
    matched = set()
    for finding in {one[:3]: one for one in reversed(found)}.values():
        tool, rule, id, _ = finding
        patterns = [pattern for pattern in accepted.get(tool, {}).get(rule, {}) if fnmatchcase(id, pattern)]
        matched |= {(tool, rule, pattern) for pattern in patterns}
        if not patterns:
            yield finding
    for tool, rules in accepted.items():
        for rule, reasons in rules.items():
            for pattern in reasons:
                if (tool, rule, pattern) not in matched:
                    yield Finding(tool, rule, pattern, f"matches no finding: remove it from {shown(EXCEPTIONS)}")


def _cfn_lint(files: list[Path], folder: Path) -> list[Finding]:
    found = json.loads(_output([Path(sys.executable).parent / "cfn-lint", "--format", "json", "--", *files], folder))
    return [
        Finding(
            "cfn-lint",
            one["Rule"]["Id"],
            [*(one["Location"].get("Path") or []), "", ""][1],
            f"{one['Message']} ({shown(Path(one['Filename']))}:{one['Location']['Start']['LineNumber']})",
        )
        for one in found
    ]


def _checkov(files: list[Path], folder: Path) -> list[Finding]:
    options = ["--framework", "cloudformation", "--skip-download", "--quiet", "--output", "json", "--file"]
    # File names, not paths: checkov puts them into values, and takes 40 letters of a path for a secret key.
    found = json.loads(_output([TOOLS.folder / "bin" / "checkov", *options, *(path.name for path in files)], folder))
    if found["summary"]["parsing_errors"]:
        raise Problem(f"lint: checkov cannot read {' or '.join(map(shown, files))}")
    return [
        Finding("checkov", one["check_id"], one["resource"].rpartition(".")[2], one["check_name"])
        for one in found["results"]["failed_checks"]
    ]


def _parliament(policies: list[tuple[str, str]], folder: Path) -> list[Finding]:
    found = json.loads(_output([TOOLS.folder / "bin" / "python", "-c", PARLIAMENT], folder, json.dumps(policies)))
    return [Finding("parliament", *one) for one in found]


def _output(command: list[str | Path], folder: Path, input: str = "") -> str:
    # Ignores the developer's settings, and does not look for a newer checkov on the network.
    env = {"PATH": os.defpath, "HOME": str(folder), "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"}
    done = subprocess.run(command, cwd=folder, env=env, input=input, capture_output=True, text=True)
    if not done.stdout:
        raise Problem(f"lint: {command[0]} failed (status {done.returncode}): {done.stderr.strip()}")
    return done.stdout


def _policies(form: Template) -> Iterator[tuple[str, str]]:
    """The policies as JSON, by logical id, without trust policies: parliament rejects policies without a resource."""

    def documents(value: Any) -> Iterator[Any]:
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            if key == "PolicyDocument":
                yield one
            elif isinstance(one, dict | list):
                yield from documents(one)

    def resolved(value: Any) -> Any:
        match value:
            case {"Ref": str(name)}:
                return arn(name, "Ref")
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return arn(name, attribute)
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([\w:]+)\.?(\w*)\}", lambda found: arn(found[1], found[2] or "Ref"), text)
            case {"Fn::If": [_, one, {"Ref": "AWS::NoValue"}] | [_, {"Ref": "AWS::NoValue"}, one]}:
                return resolved(one)
            case dict():
                return {key: resolved(one) for key, one in value.items()}
            case list():
                return [resolved(one) for one in value]
        return value

    def arn(name: str, attribute: str) -> str:
        type = form["Resources"].get(name, {}).get("Type", name)
        return ARNS.get((type, attribute), "{}").format(name)

    for id, resource in form["Resources"].items():
        for document in documents(resource):
            yield id, json.dumps(resolved(document))


def main() -> int:
    """Returns the exit status."""
    accepted = exceptions()
    try:
        failed = list(failures(findings(), accepted))
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    for tool in ("cfn-lint", "checkov", "parliament"):
        mine = [finding for finding in failed if finding.tool == tool]
        print(f"{tool}: findings {len(mine)}, exceptions {sum(map(len, accepted.get(tool, {}).values()))}")
        for _, rule, id, message in mine:
            print(f"  {rule} {id}: {message}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
