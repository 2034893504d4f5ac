"""What the commands do, step by step."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import binaries
import build
import sam
import settings
from progress import phase, timings
from project import ROOT, TARGET, TEMPLATE, Problem, shown
from releases import Release, Releases
from stacks import Stack, Target


def deploy(target: Target, overrides: Sequence[str], code: Path | None) -> None:
    """Builds and deploys; an unchanged stack stays as it is."""
    stack = target.ready()
    wanted = settings.settled(TEMPLATE.read_text(), stack, target.overrides, overrides)
    key = settings.api_key(stack)
    architecture = wanted["Architecture"]
    if not code:
        code = TARGET / "lambda" if target.is_local else binaries.BUILT
        with phase("build", f"the functions, for {'this machine' if target.is_local else architecture}"):
            build.build() if target.is_local else binaries.build(architecture)
    if not target.is_local:
        binaries.check(code, architecture)
    releases = Releases(target)
    with phase("package", f"{shown(code)}, to S3"):
        releases.prepare()
        template = sam.package(target, releases, code)
    release = _deployed(stack, releases)
    if not release or not release.is_of(template, wanted):
        release = Release.new(template, wanted, _commit())
    _deploy(target, stack, releases, release, {settings.API_KEY: key} if key else {})


def roll_back(target: Target, id: str, overrides: Sequence[str]) -> None:
    """Deploys a release again, with its parameters and the overrides. Secrets, and what guards data, stay as they are."""
    releases = Releases(target)
    former = releases.get(id)
    stack = target.ready()
    if not stack:
        raise Problem(f"{target} is not there: make deploy{target.options}")
    known = stack.parameters.keys() & former.settings.keys()
    kept = {name: stack.parameters[name] for name in settings.OF_DATA if name in known}
    as_before = (former.settings | kept).items()
    wanted = settings.settled(former.template, None, [f"{name}={value}" for name, value in as_before], overrides)
    release = _deployed(stack, releases)
    if not release or not release.is_of(former.template, wanted):
        release = Release.new(former.template, wanted, former.commit)
    _deploy(target, stack, releases, release, {})


def _deployed(stack: Stack | None, releases: Releases) -> Release | None:
    """The deployed release. One that CodeDeploy rolled back does not count: retrying it takes a new release."""
    return releases.find(stack.parameters.get(settings.RELEASE)) if stack else None


def _deploy(
    target: Target, stack: Stack | None, releases: Releases, release: Release, secrets: dict[str, str]
) -> None:
    log = sam.log_of("deploy", target)
    with phase("deploy", f"release {release.id} to {target}; SAM prints to {shown(log)}"):
        if not stack and release.settings[settings.PROTECTION] == "true":
            # Protected tables could not be rolled back if the creation failed.
            sam.deploy(target, releases, release, secrets | {settings.PROTECTION: "false"})
            print("deploy: the stack is created; now its tables are protected from deletion", flush=True)
        changed = sam.deploy(target, releases, release, secrets)
    releases.keep(release)
    done = "is deployed" if changed else "was deployed already: nothing has changed"
    print(f"\nRelease {release.id} {done}. {timings()}\n\n{next_steps(target, target.outputs())}")


def next_steps(target: Target, outputs: Mapping[str, str]) -> str:
    """The stack's addresses, and the commands that come next."""
    options = target.options
    api = target.api_url(outputs)
    create = "create-admin --email admin@example.com"
    if target.is_local:
        port = f"LOCAL_PORT={os.environ['LOCAL_PORT']} " if "LOCAL_PORT" in os.environ else ""
        admin = f"{port}python3 infra/local operate --stack {target.stack} -- {create}"
    else:
        admin = f"cargo run --package operate -- {create} --table {outputs['AdminUsersTableName']}"
    return f"""\
  stack             {target}
  API               {api}
  administrator     {admin}
  try it            curl {api}/health
  update it         make deploy{options}
  releases          make releases{options}
  roll back         make rollback RELEASE=…{options}
  delete            make delete CONFIRM={target.stack}{options}
"""


def show_releases(target: Target) -> None:
    """Prints the releases, and which one is deployed."""
    stack = target.find()
    deployed = stack.parameters.get(settings.RELEASE) if stack else None
    releases = Releases(target).all()
    if stack and deployed not in {release.id for release in releases}:
        hint = f"complete it: make deploy{target.options}"
        print(f"{target} has a release that is not listed, since its deployment was interrupted: {hint}")
    elif not releases:
        raise Problem(f"{target} has no releases: make deploy{target.options}")
    for release in releases:
        mark = "  <- deployed" if release.id == deployed else ""
        print(f"{release.id}  {release.made_at}  {release.commit}{mark}")


def delete(target: Target, confirmed: str) -> None:
    """Deletes the stack and prints what is kept."""
    if not target.find():
        raise Problem(f"{target} is not there")
    if confirmed != target.stack:
        raise Problem(f"this deletes {target}: make delete CONFIRM={target.stack}{target.options}")
    tables = _tables(target)
    with phase("delete", str(target)):
        status = _delete(target)
    if status != "DELETE_COMPLETE":
        raise Problem(f"{target} is {status}: see above; mend that, then make delete{target.options} once more")
    names = target.client("dynamodb").get_paginator("list_tables").paginate()
    kept = sorted(tables & {name for page in names for name in page["TableNames"]})
    releases = Releases(target)
    if bucket := releases.find_bucket():
        releases.drop(datetime.now(UTC))
        if count := len(releases.all()):
            kept.append(f"{count} releases, in the bucket {bucket}")
    print("\n  ".join(["kept:", *(kept or ["nothing"])]))


def _tables(target: Target) -> set[str]:
    pages = target.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=target.stack)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return {one["PhysicalResourceId"] for one in resources if one["ResourceType"] == "AWS::DynamoDB::Table"}


def _delete(target: Target) -> str:
    """Deletes the stack, telling what becomes of its resources, and answers its last status."""
    cloudformation = target.client("cloudformation")
    start, told = datetime.now(UTC), set()
    id = cloudformation.describe_stacks(StackName=target.stack)["Stacks"][0]["StackId"]  # its name ends with it
    cloudformation.delete_stack(StackName=target.stack)
    status = "DELETE_IN_PROGRESS"
    while status == "DELETE_IN_PROGRESS":
        time.sleep(0.2 if target.is_local else 3)
        status = cloudformation.describe_stacks(StackName=id)["Stacks"][0]["StackStatus"]
        for event in reversed(cloudformation.describe_stack_events(StackName=id)["StackEvents"]):
            if event["Timestamp"] >= start and event["EventId"] not in told:
                told.add(event["EventId"])
                if event["ResourceStatus"] in ("DELETE_COMPLETE", "DELETE_SKIPPED", "DELETE_FAILED"):
                    reason = event.get("ResourceStatusReason", "")
                    print(f"  {event['ResourceStatus']:<16} {event['LogicalResourceId']} {reason}".rstrip(), flush=True)
    return str(status)


def _commit() -> str:
    """What is checked out, as people find it again."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "no commit"
