"""The local stack: an emulator, the stub CMS or another, what is deployed to them, and the functions."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import bridge
import deploy
import localstack
import ministack
import watch
from build import CMS_STUB, copied
from cms import Cms
from places import Places
from processes import Process, await_that, get
from progress import phase


# The template's parameters of a stack for tests: what a test waits for comes sooner. What ends most waits is the schedule of
# republish-brands, each minute.
SHORT_WAITS = {
    "SyncRetryFirstSeconds": "2",
    "SyncRetryMaxSeconds": "10",
    "CircuitProbeFirstSeconds": "5",
    "CircuitProbeMaxSeconds": "10",
    "RepublishAfterSeconds": "5",
    # Only a test begins a reconciliation.
    "ReconcileSchedule": "",
}


@dataclass(frozen=True)
class Detour:
    """Where the functions find AWS and the CMS instead: on ports where a fault test listens.

    That test speaks to both directly.
    """

    aws_port: int
    cms_port: int

    def parameters(self) -> dict[str, str]:
        """The template's parameters that lead the functions there."""
        return {"CmsUrl": f"http://127.0.0.1:{self.cms_port}"}

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
    api_url: str
    """Where the API answers; on AWS it is the output ApiUrl."""
    cms: Cms
    outputs: dict[str, str]
    processes: tuple[Process, ...]
    client: deploy.Client
    beside: dict[str, str] = field(default_factory=dict)

    @property
    def emulators_api_url(self) -> str | None:
        """Where the emulator's API Gateway answers, if it has one."""
        api = self.outputs.get("ApiId")
        return f"{self.endpoint}/_aws/execute-api/{api}" if api else None

    def check(self) -> None:
        """Raises if a part of the stack has ended."""
        for process in self.processes:
            process.check()

    def coordinates(self) -> dict[str, str]:
        """What a test needs to know to reach everything, as environment variables."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "API_URL": self.api_url,
            "CMS_URL": self.cms.url,
            "CMS_API_KEY": self.cms.api_key,
            **{name: self.outputs[output] for name, output in _COORDINATES.items() if output in self.outputs},
            **self.beside,
        }


_COORDINATES = {
    "BRANDS_TABLE": "BrandsTableName",
    "CIRCUITS_TABLE": "CircuitsTableName",
    "BRAND_EVENTS_QUEUE_URL": "BrandEventsQueueUrl",
    "BRAND_EVENTS_DLQ_URL": "BrandEventsDeadLetterQueueUrl",
    "ADMIN_USERS_TABLE": "AdminUsersTableName",
    "SIGN_IN_ATTEMPTS_TABLE": "SignInAttemptsTableName",
    "AUTH_SECRET_ID": "AuthSecretArn",
    "CMS_HOOK_SECRET_ID": "CmsHookSecretArn",
    "SIGN_IN_FUNCTION": "SignInFunctionName",
    "CREATE_BRAND_FUNCTION": "CreateBrandFunctionName",
    "SYNC_BRAND_FUNCTION": "SyncBrandFunctionName",
    "REPUBLISH_BRANDS_FUNCTION": "RepublishBrandsFunctionName",
    "RECONCILE_BRANDS_FUNCTION": "ReconcileBrandsFunctionName",
}


@contextmanager
def started(
    places: Places, cms: Cms, waits: Mapping[str, str] | None = None, detour: Detour | None = None
) -> Iterator[Stack]:
    """Starts and deploys a stack, with those waits or the template's; leaving the context ends it."""
    for folder in (places.state, places.logs):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    emulators = localstack if places.on_localstack else ministack
    with ExitStack() as exits:
        emulator = exits.enter_context(
            emulators.started(places, f"http://127.0.0.1:{detour.aws_port}" if detour else places.endpoint)
        )
        running = [emulator]
        if cms.is_stub:
            log = places.logs / "cms-stub.log"
            command = [copied(CMS_STUB, places.state)]
            running.append(exits.enter_context(Process("the stub CMS", command, cms.stub_environment(), log)))
        which = "the stub CMS" if cms.is_stub else "your CMS"
        with phase("start", f"{emulator.name} on {places.endpoint}, {which} on {cms.url}"):
            await_that(
                lambda: get(places.endpoint + emulators.HEALTH),
                f"{emulator.name} is ready",
                emulators.PATIENCE,
                emulator,
            )
            if cms.is_stub:
                await_that(lambda: get(f"{cms.url}/brands"), "the stub CMS is ready", 10, *running)
        client = deploy.clients(places.endpoint)
        parameters = deploy.WITHOUT | cms.parameters() | (waits or {})
        parameters |= detour.parameters() if detour else {}
        outputs, environment = emulators.deployed(client, parameters, emulator)
        beside = (detour.coordinates() if detour else {}) | emulators.processes(places, client)
        if places.watch_port:
            running.append(exits.enter_context(watch.started(places, environment)))
            beside["FUNCTION_LOGS"] = str(places.logs / watch.FUNCTION_LOGS)
            if places.on_localstack:
                running.append(exits.enter_context(bridge.started(places, environment["BRAND_EVENTS_QUEUE_URL"])))
            else:
                ministack.redirect(client, places.watch_port)
        yield Stack(
            places.endpoint,
            places.watch_url or f"{places.endpoint}/_aws/execute-api/{outputs['ApiId']}",
            cms,
            outputs,
            tuple(running),
            client,
            beside,
        )
