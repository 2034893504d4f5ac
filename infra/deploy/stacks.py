"""The stack on AWS or on the emulator: where it is, and what it says of itself."""

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

import session
from project import ROOT, Problem

SAMCONFIG = ROOT / "infra" / "samconfig.toml"

Client = Callable[[str], Any]


def configured(section: str) -> dict[str, Any]:
    """The deployment parameters of a section of samconfig.toml."""
    parameters: dict[str, Any] = tomllib.loads(SAMCONFIG.read_text())[section]["deploy"]["parameters"]
    return parameters


@dataclass(frozen=True)
class Stack:
    """What CloudFormation tells of a stack that is there."""

    status: str
    parameters: dict[str, str]
    outputs: dict[str, str]


@dataclass(frozen=True)
class Target:
    """Where to deploy to: an account, a region, a stack's name, and the section of samconfig.toml."""

    section: str
    stack: str
    account: str
    region: str
    client: Client
    overrides: list[str]

    @property
    def is_local(self) -> bool:
        """Whether it is the emulator."""
        return self.section == "local"

    @classmethod
    def of(cls, to: str, stack: str) -> "Target":
        """Finds out whose account it is; a problem where nobody says."""
        if to == "local":
            os.environ["AWS_ENDPOINT_URL"] = session.endpoint()
            os.environ["SAM_CLI_POLL_DELAY"] = "0.2"
        section = "local" if to == "local" else "default"
        defaults = configured(section)
        # boto3 and SAM read AWS_DEFAULT_REGION alone, everything else here reads AWS_REGION.
        aws = boto3.Session(region_name=os.environ.get("AWS_REGION"))
        if not aws.region_name:
            raise Problem("no region: AWS_REGION=eu-central-1 make deploy, or one in the profile (AWS_PROFILE=…)")
        os.environ["AWS_DEFAULT_REGION"] = aws.region_name
        config = Config(retries={"mode": "standard"})

        def client(service: Any) -> Any:
            return aws.client(service, config=config)

        try:
            account = client("sts").get_caller_identity()["Account"]
        except (BotoCoreError, ClientError) as error:
            hint = (
                "start the emulator with `make run`, and leave it running"
                if to == "local"
                else "sign in with `aws sso login`, or set AWS_PROFILE"
            )
            raise Problem(f"cannot tell which account this is: {hint} ({error})") from error
        name = stack or defaults["stack_name"]
        return cls(section, name, account, aws.region_name, client, defaults.get("parameter_overrides", []))

    @property
    def options(self) -> str:
        """The variables of a `make` command for this target, each with a space before it."""
        given = {
            "TO": "local" if self.is_local else "",
            "LOCAL_PORT": os.environ.get("LOCAL_PORT", "") if self.is_local else "",
            "STACK": "" if self.stack == configured(self.section)["stack_name"] else self.stack,
        }
        return "".join(f" {name}={value}" for name, value in given.items() if value)

    def __str__(self) -> str:
        endpoint = f", {os.environ['AWS_ENDPOINT_URL']}" if "AWS_ENDPOINT_URL" in os.environ else ""
        return f"{self.stack} (account {self.account}, region {self.region}{endpoint})"

    def api_url(self, outputs: Mapping[str, str]) -> str:
        """The URL of the API of a stack with these outputs."""
        if self.is_local:
            return f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api/{outputs['ApiId']}"
        return outputs["ApiUrl"]

    def events(self) -> Iterator[dict[str, Any]]:
        """The stack's events, newest first; an empty list if there is no stack."""
        pages = self.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=self.stack)
        try:
            for page in pages:
                yield from page["StackEvents"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise Problem(f"{self}: {error}") from error

    def find(self) -> Stack | None:
        """The stack, if there is one."""
        try:
            found = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise Problem(f"{self}: {error}") from error
        except BotoCoreError as error:
            raise Problem(f"{self}: {error}") from error
        return Stack(
            found["StackStatus"],
            {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in found.get("Parameters", [])},
            {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])},
        )

    def outputs(self) -> dict[str, str]:
        """The outputs of the stack, which is there."""
        found = self.find()
        return found.outputs if found else {}

    def ready(self) -> Stack | None:
        """The stack, if there is one; a problem if it cannot be deployed to as it is."""
        found = self.find()
        if found and found.status.endswith("_IN_PROGRESS"):
            raise Problem(f"{self} is {found.status}: wait until that has ended")
        if found and found.status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"):
            delete = f"make delete{self.options}, then once more"
            raise Problem(f"{self} is {found.status}, nothing can be deployed to it: {delete}")
        if found and found.status == "UPDATE_ROLLBACK_FAILED":
            raise Problem(
                f"{self} is {found.status}: mend what its events name, then\n"
                f"  aws cloudformation continue-update-rollback --stack-name {self.stack}"
            )
        return found
