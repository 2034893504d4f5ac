"""ministack, the emulator that carries the whole template and runs its functions."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import deploy
from places import Places
from processes import Process
from progress import phase
from project import HERE

HEALTH = "/_ministack/health"
PATIENCE = 60
# Lambda's longest time-out: a watched function that is invoked while it is being built is waited for.
_LONGEST = 900


def started(places: Places, endpoint: str) -> Process:
    """Starts it. `endpoint` is where its functions find AWS."""
    return Process(
        "the emulator",
        # Isolated: else `import ministack` would find this file, which is beside that one.
        [sys.executable, "-I", str(HERE / "front.py")],
        _environment(places.port, endpoint, places.state),
        places.logs / "ministack.log",
    )


def deployed(
    client: deploy.Client, parameters: Mapping[str, str], emulator: Process
) -> tuple[dict[str, str], dict[str, str]]:
    """Deploys the template; answers its outputs and the environment of all functions at once."""
    with phase("deploy", "infra/template.yaml"):
        outputs = deploy.deploy(client, {"TemplateURL": deploy.package(client)}, parameters, emulator)
    if (limit := parameters.get("SyncBrandMaximumConcurrency", "0")) != "0":
        _limit_consumer(client, int(limit))
    # A variable means the same to each function that has it: see template.environment().
    environment: dict[str, str] = {}
    for function in deploy.functions(client).values():
        environment |= _variables(client, function)
    return outputs, environment


def _limit_consumer(client: deploy.Client, processes: int) -> None:
    """Limits the invocations that the queue causes at once.

    The emulator keeps the template's parameter as a text, which it then cannot compare with a number.
    """
    lambda_ = client("lambda")
    [mapping] = lambda_.list_event_source_mappings()["EventSourceMappings"]
    lambda_.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": processes})


def processes(places: Places, client: deploy.Client) -> dict[str, str]:
    """By what a function's processes are told from others, as environment variables."""
    return {"FUNCTIONS_FOLDER": str(places.state), "FUNCTIONS_CODE": json.dumps(deploy.code_digests(client))}


def redirect(client: deploy.Client, port: int) -> None:
    """Has it forward the invocations of its functions to those that are watched."""
    for name, function in deploy.functions(client).items():
        url = f"http://127.0.0.1:{port}/2015-03-31/functions/{name}/invocations"
        variables = _variables(client, function) | {"MINISTACK_LAMBDA_PROXY_URL": url}
        lambda_ = client("lambda")
        lambda_.update_function_configuration(
            FunctionName=function, Environment={"Variables": variables}, Timeout=_LONGEST
        )
        # A version keeps the configuration that it was published with.
        version = lambda_.publish_version(FunctionName=function)["Version"]
        lambda_.update_alias(FunctionName=function, Name="live", FunctionVersion=version)


def _variables(client: deploy.Client, function: str) -> dict[str, str]:
    configuration = client("lambda").get_function_configuration(FunctionName=function)
    return dict(configuration["Environment"]["Variables"])


def _environment(port: int, endpoint: str, state: Path) -> dict[str, str]:
    """Its whole environment. The functions inherit it, so it holds nothing of the developer's."""
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        **{name: value for name, value in os.environ.items() if name.startswith("AWS_")},  # environment.isolate()'s
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_LAMBDA_LOG_FORMAT": "JSON",  # on AWS the template's LoggingConfig sets it; the emulator does not
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",  # it listens on every interface otherwise
        "AUTH": "true",  # enforces the functions' IAM policies: an action that the template forgot fails here, too
        "IOT_MTLS_ENABLED": "0",  # it would listen on a fixed port, 8883
        "TMPDIR": str(state),  # the functions' unpacked code
        "S3_DATA_DIR": str(state / "s3"),
        "STATE_DIR": str(state / "state"),
    }
