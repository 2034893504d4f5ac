"""The SAM command line: packaging and deploying."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import processes
import settings
from project import ROOT, TEMPLATE, Problem
from releases import Release, Releases
from stacks import SAMCONFIG, Target
from tools import FOLDER

_CODE = "../target/lambda/"  # as the template says


def package(target: Target, releases: Releases, code: Path) -> str:
    """Uploads what is not there yet of the code, and answers the template that names it."""
    staged, packaged = FOLDER / "template.yaml", FOLDER / "packaged.yaml"
    staged.write_text(TEMPLATE.read_text().replace(_CODE, f"{code.resolve()}/"))
    command = ["sam", "package", "--template-file", str(staged), "--output-template-file", str(packaged)]
    command += ["--s3-bucket", releases.bucket, "--s3-prefix", releases.code, "--region", target.region]
    done = subprocess.run([*command, "--no-progressbar"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise Problem(f"package: {(done.stderr or done.stdout).strip()}")
    return packaged.read_text()


def deploy(target: Target, releases: Releases, release: Release, more: Mapping[str, str]) -> None:
    """Deploys a release, with parameters that go before its own; SAM prints what it does, and why it failed."""
    template = FOLDER / f"release-{release.id}.yaml"
    template.write_text(_with_default(release))
    values = release.settings | {settings.RELEASE: release.id, **more}
    try:
        with settings.file_of(values) as parameters:
            command = ["sam", "deploy", "--template-file", str(template), "--stack-name", target.stack]
            command += ["--config-file", str(SAMCONFIG), "--config-env", target.section, "--region", target.region]
            command += ["--s3-bucket", releases.bucket, "--s3-prefix", releases.templates, "--no-progressbar"]
            command += ["--tags", f"application=brand-sync stage={release.settings['Stage']}"]
            command += ["--parameter-overrides", parameters]
            if status := processes.run(command, os.environ):
                raise Problem(f"deploy: `sam deploy` failed (status {status}): see above")
    finally:
        template.unlink(missing_ok=True)


def _with_default(release: Release) -> str:
    """The template with the release as the parameter's default: the emulator's SAM transform sees no other value."""
    head, found, rest = release.template.partition(f"\n  {settings.RELEASE}:\n")
    before, default, after = rest.partition("Default: ")
    if not found or not default:
        raise Problem(f"{TEMPLATE.relative_to(ROOT)} has no parameter {settings.RELEASE} with a default")
    return f"{head}{found}{before}{default}'{release.id}'\n{after.partition(chr(10))[2]}"
