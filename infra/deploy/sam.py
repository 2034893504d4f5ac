"""The SAM command line: packaging and deploying. What it prints goes to a file."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import settings
from processes import Process
from project import ROOT, TEMPLATE, Problem, shown
from releases import Release, Releases
from stacks import SAMCONFIG, Target
from tools import FOLDER, workplace

_CODE = "../target/lambda/"  # as the template says
_NO_CHANGES = "No changes to deploy"  # what SAM says then


def package(target: Target, releases: Releases, code: Path) -> str:
    """Uploads missing code and returns the template that refers to it."""
    staged, packaged = workplace() / "template.yaml", workplace() / "packaged.yaml"
    staged.write_text(TEMPLATE.read_text().replace(_CODE, f"{code.resolve()}/"))
    command = ["sam", "package", "--template-file", str(staged), "--output-template-file", str(packaged)]
    command += ["--s3-bucket", releases.bucket, "--s3-prefix", releases.code, "--region", target.region]
    log = log_of("package", target)
    if _run([*command, "--no-progressbar"], log):
        raise Problem(f"package: {_problem(log)}\nall that SAM printed: {shown(log)}")
    return packaged.read_text()


def deploy(target: Target, releases: Releases, release: Release, more: Mapping[str, str]) -> bool:
    """Deploys a release, with parameters that override its own. Returns whether that changed anything."""
    template = workplace() / f"release-{release.id}.yaml"
    template.write_text(_with_default(release))
    values = release.settings | {settings.RELEASE: release.id, **more}
    with settings.file_of(values, workplace()) as parameters:
        command = ["sam", "deploy", "--template-file", str(template), "--stack-name", target.stack]
        command += ["--config-file", str(SAMCONFIG), "--config-env", target.section, "--region", target.region]
        command += ["--s3-bucket", releases.bucket, "--s3-prefix", releases.templates, "--no-progressbar"]
        command += ["--tags", f"application=brand-sync stage={release.settings['Stage']}"]
        command += ["--parameter-overrides", parameters]
        last = next((event["EventId"] for event in target.events()), None)
        log = log_of("deploy", target)
        if _run(command, log):
            new = takewhile(lambda event: event["EventId"] != last, target.events())
            lines = (f"deploy: {_problem(log)}", *failures(new), f"all that SAM printed: {shown(log)}")
            raise Problem("\n".join(lines))
        return _NO_CHANGES not in log.read_text(errors="replace")


def log_of(command: str, target: Target) -> Path:
    """Where SAM's output goes."""
    return FOLDER / "logs" / f"{target.stack}-{command}.log"


def failures(events: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The resources that failed, the first one first, with their reasons; not those that were only cancelled."""
    for event in reversed(list(events)):
        reason = event.get("ResourceStatusReason", "no reason given")
        if event["ResourceStatus"].endswith("_FAILED") and "cancelled" not in reason:
            yield f"  {event['ResourceStatus']:<14} {event['LogicalResourceId']} {reason}"


def _run(command: Sequence[str], log: Path) -> int:
    log.parent.mkdir(exist_ok=True)
    with Process("sam", command, os.environ, log, grace=5) as process:
        return process.wait()


def _problem(log: Path) -> str:
    """The last line that SAM printed: why it failed."""
    return log.read_text(errors="replace").strip().rpartition("\n")[2]


def _with_default(release: Release) -> str:
    """The template with the release as the parameter's default: the emulator's SAM transform sees no other value."""
    head, found, rest = release.template.partition(f"\n  {settings.RELEASE}:\n")
    before, default, after = rest.partition("Default: ")
    if not found or not default:
        raise Problem(f"{TEMPLATE.relative_to(ROOT)} has no parameter {settings.RELEASE} with a default")
    return f"{head}{found}{before}{default}'{release.id}'\n{after.partition(chr(10))[2]}"
