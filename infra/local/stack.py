"""The local stack: the emulator, the stub CMS, and the template deployed to them."""

import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import deploy
from build import CMS_STUB
from processes import Process, await_that, get
from progress import phase
from project import Problem


def default_port() -> int:
    """The port that `run` gives the emulator."""
    return port("LOCAL_PORT", os.environ.get("LOCAL_PORT", "4566"))


def port(variable: str, text: str) -> int:
    """The port that an environment variable names."""
    if not text.isdecimal():
        raise Problem(f"{variable}: {text!r} is no port")
    return int(text)


@dataclass(frozen=True)
class Detour:
    """Where the functions find AWS and the CMS instead: on ports where a fault test listens.

    That test speaks to both directly.
    """

    aws_port: int
    cms_port: int

    def parameters(self) -> dict[str, str]:
        """The template's parameters: what a test waits for comes sooner."""
        return {
            "CmsUrl": f"http://127.0.0.1:{self.cms_port}",
            "RepublishAfterSeconds": "5",
            "BrandEventsVisibilityTimeout": "60",
            "BrandEventsMaxReceives": "3",
        }

    def coordinates(self) -> dict[str, str]:
        """What the test needs to know beside the stack's own coordinates."""
        return {
            "FAULTY_AWS_ADDRESS": f"127.0.0.1:{self.aws_port}",
            "FAULTY_CMS_ADDRESS": f"127.0.0.1:{self.cms_port}",
        }


@dataclass(frozen=True)
class Stack:
    """A stack that answers: its addresses, its processes, what was deployed."""

    endpoint: str
    cms_url: str
    cms_api_key: str
    outputs: dict[str, str]
    emulator: Process
    cms: Process
    client: deploy.Client
    beside: dict[str, str]

    @property
    def api_url(self) -> str:
        """Where the API answers; on AWS it is the output ApiUrl."""
        return f"{self.endpoint}/_aws/execute-api/{self.outputs['ApiId']}"

    def check(self) -> None:
        """Raises if a part of the stack has ended."""
        self.emulator.check()
        self.cms.check()

    def coordinates(self) -> dict[str, str]:
        """What a test needs to know to reach everything, as environment variables."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "API_URL": self.api_url,
            "CMS_URL": self.cms_url,
            "CMS_API_KEY": self.cms_api_key,
            "BRANDS_TABLE": self.outputs["BrandsTableName"],
            "WORKFLOW_EXECUTIONS_TABLE": self.outputs["WorkflowExecutionsTableName"],
            "BRAND_EVENTS_QUEUE_URL": self.outputs["BrandEventsQueueUrl"],
            "BRAND_EVENTS_DLQ_URL": self.outputs["BrandEventsDeadLetterQueueUrl"],
            "ADMIN_USERS_TABLE": self.outputs["AdminUsersTableName"],
            "SIGN_IN_ATTEMPTS_TABLE": self.outputs["SignInAttemptsTableName"],
            "AUTH_SECRET_ID": self.outputs["AuthSecretArn"],
            "SIGN_IN_FUNCTION": self.outputs["SignInFunctionName"],
            "CREATE_BRAND_FUNCTION": self.outputs["CreateBrandFunctionName"],
            "SYNC_BRAND_FUNCTION": self.outputs["SyncBrandFunctionName"],
            **self.beside,
        }


@contextmanager
def started(port: int, cms_address: str, state: Path, logs: Path, detour: Detour | None = None) -> Iterator[Stack]:
    """Starts and deploys a stack; leaving the context ends it. `state` is for the emulator's files."""
    for folder in (state, logs):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    endpoint, cms_url, cms_api_key = f"http://127.0.0.1:{port}", f"http://{cms_address}", secrets.token_urlsafe(24)
    with (
        Process(
            "the emulator",
            [sys.executable, "-m", "ministack"],
            _emulator_environment(port, f"http://127.0.0.1:{detour.aws_port}" if detour else endpoint, state),
            logs / "ministack.log",
        ) as emulator,
        Process(
            "the stub CMS",
            [str(CMS_STUB)],
            _cms_environment(cms_address, cms_api_key),
            logs / "cms-stub.log",
        ) as cms,
    ):
        with phase("start", f"the emulator on {endpoint}, the stub CMS on {cms_url}"):
            await_that(lambda: get(f"{endpoint}/_ministack/health"), "the emulator is ready", 60, emulator)
            await_that(lambda: get(f"{cms_url}/brands"), "the stub CMS is ready", 10, cms)
        with phase("deploy", "infra/template.yaml"):
            client = deploy.clients(endpoint)
            parameters = {"CmsUrl": cms_url, "CmsApiKey": cms_api_key} | deploy.WITHOUT
            parameters |= detour.parameters() if detour else {}
            outputs = deploy.deploy(client, parameters, emulator)
        # By these a function's processes are told from others.
        beside = {"FUNCTIONS_FOLDER": str(state), "FUNCTIONS_CODE": json.dumps(deploy.code_digests(client, outputs))}
        beside |= detour.coordinates() if detour else {}
        yield Stack(endpoint, cms_url, cms_api_key, outputs, emulator, cms, client, beside)


def _cms_environment(address: str, api_key: str) -> dict[str, str]:
    # With CMS_STUB_FAULTS the developer has the stub fail from the start.
    faults = {name: os.environ[name] for name in ("CMS_STUB_FAULTS",) if name in os.environ}
    return {"CMS_STUB_ADDRESS": address, "CMS_API_KEY": api_key} | faults


def _emulator_environment(port: int, endpoint: str, state: Path) -> dict[str, str]:
    """The emulator's whole environment. The functions inherit it, so it holds nothing of the developer's.

    `endpoint` is where they find AWS.
    """
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
