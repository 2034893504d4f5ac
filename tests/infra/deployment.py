"""A test's own stack on the emulator, deployed with the program behind `make deploy`, and its resources."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import boto3

from template import ROOT

import operate  # infra/local's: found by `template`

API_KEY = f"key-{secrets.token_hex(8)}"
# Runs the deployment's command line with another template instead of infra/template.yaml.
_WITH_TEMPLATE = """
import pathlib, sys
sys.path += ["infra/deploy", "infra/local"]
import project
project.TEMPLATE = pathlib.Path(sys.argv.pop(1))
import cli
sys.exit(cli.main())
"""
LAMBDA = ROOT / "target" / "lambda"
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/Cargo.toml"))


def code(folder: Path) -> Path:
    """All functions, each as one folder with an executable."""
    for name in FUNCTIONS:
        _stripped(name, folder / name / "bootstrap")
    return folder


def launchers(folder: Path, used: Iterable[str], changed: Iterable[str] = ()) -> Path:
    """All functions as scripts, since packaging an executable takes seconds.

    Those that a test uses start the executable beside the folder, the others fail. The changed ones are as another build.
    """
    for name in FUNCTIONS:
        executable = folder.parent / "executables" / name
        if name in used and not executable.exists():
            _stripped(name, executable)
        script = folder / name / "bootstrap"
        script.parent.mkdir(parents=True)
        lines = ["#!/bin/sh", f"exec '{executable}'" if name in used else "exit 1"]
        script.write_text("\n".join([*lines, *(["# another build"] if name in changed else []), ""]))
        script.chmod(0o755)
    return folder


def _stripped(name: str, to: Path) -> None:
    """A function's executable without what debuggers need."""
    to.parent.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["strip", "-o", to, LAMBDA / name / "bootstrap"]).returncode:
        shutil.copy2(LAMBDA / name / "bootstrap", to)


class Deployment:
    """A stack, by its name."""

    def __init__(self, stack: str) -> None:
        self.stack = stack
        self.endpoint = os.environ["AWS_ENDPOINT_URL"]
        self._token = ""

    def run(self, *arguments: str, status: int = 0, api_key: str = API_KEY, template: str = "") -> str:
        """Runs infra/deploy and returns its output; fails if it exits with another status.

        A given template replaces infra/template.yaml.
        """
        port = self.endpoint.rpartition(":")[2]
        environment = os.environ | {"LOCAL_PORT": port, "CMS_API_KEY": api_key}
        program = [sys.executable, "infra/deploy"]
        if template:
            program = [str(ROOT / "target" / "deploy" / "tools" / "bin" / "python"), "-c", _WITH_TEMPLATE, template]
        command = [*program, "--to", "local", "--stack", self.stack, *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        print(f"    {' '.join(command[len(program) :])}: status {done.returncode}", flush=True)
        if done.returncode != status:
            raise AssertionError(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stdout}")
        return done.stdout

    def deploy(self, folder: Path, *parameters: str, **more: Any) -> str:
        """Deploys the code and returns the output."""
        return self.run("deploy", "--code", str(folder), *parameters, **more)

    def status(self) -> str:
        """The stack's status in CloudFormation."""
        return str(self._described()["StackStatus"])

    def release(self) -> str:
        """The id of the deployed release."""
        return self.parameter("Release")

    def parameter(self, name: str) -> str:
        """The stack's value of a parameter."""
        parameters = self._described()["Parameters"]
        return str(next(one["ParameterValue"] for one in parameters if one["ParameterKey"] == name))

    def outputs(self) -> dict[str, str]:
        return {one["OutputKey"]: one["OutputValue"] for one in self._described()["Outputs"]}

    def _described(self) -> dict[str, Any]:
        stack: dict[str, Any] = client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"][0]
        return stack

    def live(self, function: str) -> dict[str, Any]:
        """The version of a function that answers, by the function's output."""
        name = self.outputs()[f"{function}FunctionName"]
        version: dict[str, Any] = client("lambda").get_function_configuration(FunctionName=name, Qualifier="live")
        return version

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Asks the API, as an administrator."""
        if not self._token:
            email, password = "admin@example.com", secrets.token_urlsafe(24)
            operate.create_admin(self.endpoint, self.outputs(), email, password)
            status, answer = self._send("POST", "/auth/user/emailpass", {"email": email, "password": password})
            assert status == 200, answer
            self._token = answer["token"]
        return self._send(method, path, body)

    def _send(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        url = f"{self.endpoint}/_aws/execute-api/{self.outputs()['ApiId']}{path}"
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, data, headers, method=method), timeout=30
            ) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    def resources(self) -> set[str]:
        """Whatever there is of the stack, as each service itself tells."""
        found = {f"{kind} {name}" for kind, names in _LISTED.items() for name in names()}
        return {one for one in found if self.stack in one}


def client(service: Any) -> Any:
    """A client of the emulator's."""
    return boto3.client(service)


def _names(service: str, operation: str, key: str, name: str) -> Callable[[], list[str]]:
    def names() -> list[str]:
        of_service = client(service)
        if of_service.can_paginate(operation):
            pages = of_service.get_paginator(operation).paginate()
        else:
            pages = [getattr(of_service, operation)()]
        found = [one for page in pages for one in page.get(key, [])]
        return [one[name] if isinstance(one, dict) else one for one in found]

    return names


_LISTED: dict[str, Callable[[], list[str]]] = {
    "alarm": _names("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    "api": _names("apigatewayv2", "get_apis", "Items", "Name"),
    "dashboard": _names("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    "event source mapping": _names("lambda", "list_event_source_mappings", "EventSourceMappings", "FunctionArn"),
    "function": _names("lambda", "list_functions", "Functions", "FunctionName"),
    "log group": _names("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "queue": _names("sqs", "list_queues", "QueueUrls", ""),
    "role": _names("iam", "list_roles", "Roles", "RoleName"),
    "schedule": _names("scheduler", "list_schedules", "Schedules", "Name"),
    "secret": _names("secretsmanager", "list_secrets", "SecretList", "Name"),
    "stack": _names("cloudformation", "list_stacks", "StackSummaries", "StackName"),
    "subscription": _names("sns", "list_subscriptions", "Subscriptions", "TopicArn"),
    "table": _names("dynamodb", "list_tables", "TableNames", ""),
    "topic": _names("sns", "list_topics", "Topics", "TopicArn"),
}


def folder() -> "tempfile.TemporaryDirectory[str]":
    """Where a test's code is laid out."""
    return tempfile.TemporaryDirectory(prefix="code-", dir=ROOT / "target")
