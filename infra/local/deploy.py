"""Deploying a template to an emulator, as `aws cloudformation package` and `deploy` do on AWS.

Done with boto3 because those two wait in steps of five seconds.
"""

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

import template
from processes import Process, await_that
from project import TEMPLATE, Problem

STACK = "brand-sync"
BUCKET = "brand-sync-artifacts"
# Parameters that leave out what the emulator lacks: it has no TLS, and takes the limit for a text.
WITHOUT = {"QueuesRequireTls": "false", "SyncBrandMaximumConcurrency": "0"}

Client = Callable[[str], Any]


def clients(endpoint: str) -> Client:
    """Makes clients of the emulator's services."""
    session = boto3.Session()
    config = Config(request_checksum_calculation="when_required", retries={"mode": "standard", "total_max_attempts": 2})
    return lambda service: session.client(service, endpoint_url=endpoint, config=config)


def deploy(
    client: Client, where: Mapping[str, str], parameters: Mapping[str, str], emulator: Process
) -> dict[str, str]:
    """Creates the stack and returns its outputs; a problem with the first cause if it fails.

    `where` the template is: CloudFormation's TemplateBody or TemplateURL.
    """
    try:
        return _create(client, where, parameters, emulator)
    except (BotoCoreError, ClientError) as error:
        emulator.check()
        raise Problem(f"deploy: {error}") from error


def _create(
    client: Client, where: Mapping[str, str], parameters: Mapping[str, str], emulator: Process
) -> dict[str, str]:
    cloudformation = client("cloudformation")
    cloudformation.create_stack(
        StackName=STACK,
        **where,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )

    def settled() -> dict[str, Any] | None:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

    stack = await_that(settled, "deploy: the stack", 120, emulator)
    if stack["StackStatus"] != "CREATE_COMPLETE":
        raise Problem(f"deploy: {stack['StackStatus']}: {_cause(cloudformation)}")
    return _outputs(stack)


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def outputs(endpoint: str, name: str) -> dict[str, str]:
    """The outputs of the stack of that name; a problem where nothing answers or is deployed."""
    start = "start one with `make run`" if name == STACK else "deploy it with `make deploy TO=local`"
    try:
        stack = clients(endpoint)("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except (BotoCoreError, ClientError) as error:
        raise Problem(f"no stack {name} at {endpoint}: {start} ({error})") from error
    return _outputs(stack)


def log_groups(client: Client) -> dict[str, str]:
    """The log groups that the template gives its functions, by the functions' names."""
    return _of_functions(client, "LogGroup")


def functions(client: Client) -> dict[str, str]:
    """What the functions are called once deployed, by name."""
    return _of_functions(client, "Function")


def _of_functions(client: Client, kind: str) -> dict[str, str]:
    """What stands in the template beside each function as `NameFunction`, by the functions' names."""
    resources = client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    deployed = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
    return {
        name: deployed[logical_id.removesuffix("Function") + kind] for logical_id, name in template.functions().items()
    }


def code_digests(client: Client) -> dict[str, str]:
    """The SHA-256 of each function's zip, by the function's name: the emulator unpacks it in a folder named so."""
    configurations = {
        name: client("lambda").get_function_configuration(FunctionName=deployed)
        for name, deployed in functions(client).items()
    }
    return {name: base64.b64decode(configuration["CodeSha256"]).hex() for name, configuration in configurations.items()}


def package(client: Client) -> str:
    """Uploads each CodeUri's folder as a zip, and the template that names the zips, and returns where that is.

    It is longer than what CloudFormation takes in a request.
    """
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)

    def upload(code_uri: "re.Match[str]") -> str:
        body = _zip(TEMPLATE.parent / code_uri[1])
        key = f"{hashlib.sha256(body).hexdigest()}.zip"
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"CodeUri: s3://{BUCKET}/{key}"

    packaged = re.sub(r"CodeUri: (\S+)", upload, TEMPLATE.read_text())
    s3.put_object(Bucket=BUCKET, Key=TEMPLATE.name, Body=packaged.encode())
    return f"{s3.meta.endpoint_url}/{BUCKET}/{TEMPLATE.name}"


def _zip(folder: Path) -> bytes:
    """The folder's files, stored: compressing a debug binary takes longer than copying it. Same content, same bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise Problem(f"deploy: {folder.resolve()} holds nothing: run `python3 infra/local build`")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(str(file.relative_to(folder)))
            entry.external_attr = 0o755 << 16  # the zip carries the mode; Lambda refuses a bootstrap it cannot execute
            archive.writestr(entry, file.read_bytes())
    return buffer.getvalue()


def _cause(cloudformation: Any) -> str:
    """The reason of the first resource that failed; those after it say only that they were cancelled."""
    events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]  # newest first
    failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
    if not failed:
        return "no event says why"
    return f"{failed[-1]['LogicalResourceId']}: {failed[-1].get('ResourceStatusReason', 'no reason given')}"
