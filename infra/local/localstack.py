"""LocalStack, the other emulator: it has the tables, queues and secrets, and neither the HTTP API nor the functions.

Its free edition has no API Gateway v2, its Scheduler never fires, and it needs Docker to run functions: so those run
under `cargo lambda watch`, and the bridge drives them.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import AbstractContextManager

import deploy
import localstack_without_docker
import template
from places import Places
from processes import Process
from progress import phase
from project import HERE, Problem

HEALTH = "/_localstack/health"
PATIENCE = 600  # the image may have to be fetched
_COMPOSE = HERE / "localstack.yaml"


def started(places: Places, _endpoint: str) -> AbstractContextManager[Process]:
    """Starts it: in Docker, or without where LOCALSTACK_WITHOUT_DOCKER is set."""
    if os.environ.get("LOCALSTACK_WITHOUT_DOCKER"):
        command, environment = localstack_without_docker.command(places)
    else:
        command, environment = _in_docker(places)
    return Process("LocalStack", command, environment, places.logs / "localstack.log", grace=20)


def deployed(
    client: deploy.Client, parameters: Mapping[str, str], emulator: Process
) -> tuple[dict[str, str], dict[str, str]]:
    """Deploys what the template keeps state in; answers its outputs and the environment of all functions at once."""
    alone, variables = template.state_alone()
    with phase("deploy", "the tables, queues and secrets of infra/template.yaml"):
        outputs = deploy.deploy(client, {"TemplateBody": json.dumps(alone)}, parameters, emulator)
    environment = {name: outputs.pop(output) for output, name in variables.items()}
    return outputs, environment


def processes(_places: Places, _client: deploy.Client) -> dict[str, str]:
    """No function's process is its own."""
    return {}


def _in_docker(places: Places) -> tuple[list[str], dict[str, str]]:
    asked = ("docker", "compose", "version")
    if not shutil.which("docker") or subprocess.run(asked, capture_output=True).returncode:
        raise Problem(
            "`docker compose`, which LocalStack is started with, does not run: install Docker, or set "
            "LOCALSTACK_WITHOUT_DOCKER=1 (Linux, with Python 3.13, Java and npm), or leave out STACK=localstack"
        )
    # One project for each port, so that stacks of tests stand beside the one of `make watch`.
    command = ["docker", "compose", "--file", str(_COMPOSE), "--project-name", f"brand-sync-{places.port}", "up"]
    return command, {**os.environ, "LOCAL_PORT": str(places.port)}
