"""The exercises of a first run: a brand's journey, an outage of the CMS, a gradual deployment."""

import json
import os
import secrets
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

import operate
import removal
from project import ROOT, Problem
from record import Record
from removal import Resource
from stacks import Target

UNANSWERED = "http://127.0.0.1:9"  # nothing listens on this port of the function's sandbox
BRANDS = 5
FAILURES = 2  # brands whose failures open the circuit

Deploy = Callable[..., str]


class Application:
    """A deployed stack, from the points of view of a client and of an operator."""

    def __init__(self, target: Target, outputs: dict[str, str]) -> None:
        self.target = target
        self.outputs = outputs
        self.url = target.api_url(outputs)
        self.token = ""
        self.creates = False
        """Whether a brand was created."""

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, str]:
        """Sends a request; returns the response's status, body and `ETag`."""
        given = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"} | headers
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:
                text, status, etag = answer.read().decode(), answer.status, answer.headers.get("ETag", "")
        except urllib.error.HTTPError as error:
            text, status, etag = error.read().decode(errors="replace"), error.code, ""
        return status, json.loads(text) if text.startswith("{") else text, etag

    def expect(self, wanted: int, method: str, path: str, body: Any = None, **headers: str) -> tuple[Any, str]:
        """Sends a request; returns the body and the `ETag`, or raises a Problem if the status is not the wanted one."""
        status, answer, etag = self.send(method, path, body, **headers)
        if status != wanted:
            raise Problem(f"{method} {path} returned {status} instead of {wanted}: {str(answer)[:200]}")
        return answer, etag

    def create(self, name: str, key: str) -> str:
        """Creates a brand and returns its id."""
        answer, _ = self.expect(200, "POST", "/admin/brands", {"name": name}, **{"Idempotency-Key": key})
        self.creates = True
        return str(answer["brand"]["id"])

    def create_admin(self, email: str, password: str) -> None:
        """Creates an administrator with `operate`, as an operator does."""
        if self.target.is_local:
            operate.create_admin(os.environ["AWS_ENDPOINT_URL"], self.outputs, email, password)
            return
        table = self.outputs["AdminUsersTableName"]
        command = ["cargo", "run", "--quiet", "--package", "operate", "--", "create-admin"]
        command += ["--email", email, "--table", table]
        environment = os.environ | {"AWS_REGION": self.target.region}
        done = subprocess.run(command, cwd=ROOT, env=environment, input=password, capture_output=True, text=True)
        if done.returncode:
            raise Problem(done.stderr.strip())

    def row(self, table: str, id: str) -> dict[str, Any]:
        """Reads a row of a table by its id; returns an empty one if there is none."""
        found = self.target.client("dynamodb").get_item(
            TableName=self.outputs[table], Key={"id": {"S": id}}, ConsistentRead=True
        )
        read = TypeDeserializer().deserialize
        return {name: read(value) for name, value in found.get("Item", {}).items()}

    def is_synced(self, id: str) -> bool:
        """Whether the CMS has the row's version."""
        row = self.row("BrandsTableName", id)
        return bool(row) and row.get("sync_cms", {}).get("reached", 0) >= row["version"]

    def cause_of_opening(self) -> str | None:
        """Why the circuit is open; None if it is closed."""
        opening = self.row("CircuitsTableName", "cms").get("open")
        return str(opening["cause"]) if opening else None

    def parked(self) -> int:
        """The number of messages in the dead-letter queue."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        url = self.outputs["BrandEventsDeadLetterQueueUrl"]
        found = self.target.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(map(int, found["Attributes"].values()))

    def sweep(self) -> None:
        """Invokes republish-brands now instead of waiting up to a minute for its schedule."""
        name = self.outputs["RepublishBrandsFunctionName"]
        self.target.client("lambda").invoke(FunctionName=name, Qualifier="live", Payload=b"{}")

    def tick(self) -> None:
        """Invokes reconcile-brands as its schedule does each minute; raises a Problem if it fails."""
        name = self.outputs["ReconcileBrandsFunctionName"]
        answer = self.target.client("lambda").invoke(FunctionName=name, Qualifier="live", Payload=b"{}")
        if "FunctionError" in answer:
            raise Problem(f"reconcile-brands failed: {answer['Payload'].read().decode(errors='replace')}")

    def wait(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Waits until the condition holds; raises a Problem if that takes too long."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise Problem(f"timed out after {seconds:.0f} seconds, waiting until {what}")
            time.sleep(0.2 if self.target.is_local else 2)


def journey(app: Application, record: Record) -> None:
    """A brand's life, as a client of the API sees it."""
    with record.step("the API answers"):
        app.wait(lambda: _is_up(app), "GET /health returns 200", 60)
    email, password = "first-run@example.com", secrets.token_urlsafe(24)
    with record.step("an administrator is created"):
        app.create_admin(email, password)
    with record.step("the administrator signs in"):
        answer, _ = app.expect(200, "POST", "/auth/user/emailpass", {"email": email, "password": password})
        app.token = answer["token"]
    with record.step("a wrong token is refused with 401"):
        app.expect(401, "GET", "/admin/brands", Authorization="Bearer wrong")
    key = secrets.token_hex(8)
    with record.step("a brand is created"):
        id = app.create("First", key)
    with record.step("a repeated request returns the same brand"):
        if (other := app.create("First", key)) != id:
            raise Problem(f"a second brand was created: {other}")
    with record.step("the brand is synced"):
        app.wait(lambda: app.is_synced(id), "the brand is synced", 90)
    path = f"/admin/brands/{id}"
    with record.step("the brand is read"):
        _, etag = app.expect(200, "GET", path)
    with record.step("a rename with If-Match succeeds, and one of an old version is refused with 412"):
        app.expect(200, "POST", path, {"name": "Renamed"}, **{"If-Match": etag})
        app.expect(412, "POST", path, {"name": "Late"}, **{"If-Match": etag})
    with record.step("the new name is synced"):
        app.wait(lambda: app.is_synced(id), "the new name is synced", 90)
    with record.step("the brand is synced again, and its run is shown"):
        app.expect(200, "POST", f"{path}/sync", {"reason": "first run"})
        app.wait(lambda: app.is_synced(id), "the brand is synced again", 90)
        run, _ = app.expect(200, "GET", f"/admin/workflows-executions/sync-brand-to-cms/{id}")
        if run["workflow_execution"]["state"] != "done":
            raise Problem(f"the run is {run['workflow_execution']['state']} instead of done")
    with record.step("reconcile-brands finds nothing to go on with"):
        app.tick()
    with record.step("the console is served"):
        app.expect(200, "GET", "/app")
    with record.step("lists by cursor have all brands") as note:
        second = app.create("Second", secrets.token_hex(8))
        app.wait(lambda: {id, second} <= set(_listed(app)), "both brands are listed", 30)
        note("2 brands, 1 per page")
    with record.step("the brand is deleted, and then not found"):
        app.expect(200, "DELETE", path)
        app.expect(404, "GET", path)
    with record.step("the deletion is synced"):
        app.wait(lambda: app.is_synced(id), "the deletion is synced", 90)


def _is_up(app: Application) -> bool:
    """Whether the API answers: for a few seconds, DNS may not know a new API's name."""
    try:
        return app.send("GET", "/health")[0] == 200
    except OSError:
        return False


def _listed(app: Application) -> list[str]:
    """The ids of all brands, read in pages of one."""
    ids, after = [], ""
    while after is not None:
        answer, _ = app.expect(200, "GET", f"/admin/brands?limit=1&after={after}")
        ids += [brand["id"] for brand in answer["brands"]]
        after = answer["next"]
    return ids


def outage(app: Application, record: Record, deploy: Deploy, minutes: int) -> None:
    """Takes the CMS down and brings it back; nothing may be lost."""
    with record.step("the CMS goes down") as note:
        note(f"release {deploy(f'CmsUrl={UNANSWERED}')}")
    with record.step("brands are still created") as note:
        ids = [app.create(f"During the outage {n}", secrets.token_hex(8)) for n in range(BRANDS)]
        note(f"{len(ids)} created")
    with record.step("their runs are suspended, and the circuit opens") as note:
        app.wait(lambda: app.cause_of_opening() is not None, "the circuit is open", 90)
        note(f"open: {app.cause_of_opening()}")
        app.wait(lambda: _suspended(app, ids) >= FAILURES, f"{FAILURES} runs are suspended", 60)
        note(f"{_suspended(app, ids)} suspended")
    if minutes:
        with record.step(f"the outage lasts for {minutes} minutes"):
            time.sleep(minutes * 60)
    with record.step("no brand is synced, and no message parked") as note:
        if synced := sum(map(app.is_synced, ids)):
            raise Problem(f"{synced} were synced without a CMS")
        _check_parked(app)
        note("0 synced, 0 parked")
    with record.step("the CMS is back") as note:
        note(f"release {deploy()}")
    with record.step("all brands are synced, and the circuit closes") as note:

        def is_over() -> bool:
            app.sweep()
            return app.cause_of_opening() is None and all(map(app.is_synced, ids))

        # A run that found the circuit open waits until the first probe, and each notification doubles the wait of its row.
        app.wait(is_over, "all brands are synced, and the circuit is closed", 600)
        note(f"{len(ids)} synced, closed")
    with record.step("no brand is lost, and no message parked") as note:
        for id in ids:
            app.expect(200, "GET", f"/admin/brands/{id}")
        _check_parked(app)
        note(f"{len(ids)} found, 0 parked")


def _suspended(app: Application, ids: list[str]) -> int:
    """The number of these brands whose run is suspended."""
    rows = [app.row("BrandsTableName", id) for id in ids]
    runs = [json.loads(row["sync_cms"]["run"]["record"]) for row in rows if row.get("sync_cms", {}).get("run")]
    return sum("resume_at" in run for run in runs)


def _check_parked(app: Application) -> None:
    if parked := app.parked():
        raise Problem(f"{parked} messages are in the dead-letter queue")


def canary(app: Application, record: Record, deploy: Deploy) -> None:
    """Deploys another release while clients send requests."""
    answers: Counter[str] = Counter()
    over = threading.Event()

    def client() -> None:
        while not over.wait(0.2 if app.target.is_local else 1):
            for method, path, body in (("GET", "/admin/brands?after=", None), ("POST", "/admin/brands", {"name": "X"})):
                try:
                    answers[str(app.send(method, path, body)[0])] += 1
                except OSError as error:
                    answers[type(error).__name__] += 1

    gradual = "none" if app.target.is_local else "Canary10Percent5Minutes"
    with record.step("another release is deployed while clients send requests") as note:
        before = _live(app)
        thread = threading.Thread(target=client, daemon=True)
        thread.start()
        try:
            note(f"release {deploy(f'GradualDeployment={gradual}', 'SecretsVersion=2')}, GradualDeployment={gradual}")
        finally:
            over.set()
            thread.join(60)
    with record.step("every request was answered") as note:
        note(", ".join(f"{answer}: {count} times" for answer, count in sorted(answers.items())))
        if set(answers) != {"200"}:
            raise Problem("expected only 200")
    with record.step("the alias `live` has each function's new version") as note:
        after = _live(app)
        note(", ".join(f"{name.removesuffix('FunctionName')} {before[name]} → {after[name]}" for name in after))
        if stale := [name for name in after if int(after[name]) <= int(before[name])]:
            raise Problem(f"still the old versions: {', '.join(stale)}")
    if app.target.is_local:
        record.skip("CodeDeploy's deployments succeeded", "the emulator has no CodeDeploy")
        return
    with record.step("CodeDeploy's deployments succeeded") as note:
        statuses = deployments(app.target, removal.resources(app.target))
        note(", ".join(f"{status}: {count}" for status, count in statuses.items()))
        if set(statuses) != {"Succeeded"} or statuses["Succeeded"] < len(after):
            raise Problem(f"expected {len(after)} successful deployments")


def _live(app: Application) -> dict[str, str]:
    """The version that each function's alias points to, by the function's output."""
    client = app.target.client("lambda")
    names = {output: name for output, name in app.outputs.items() if output.endswith("FunctionName")}
    return {
        output: str(client.get_alias(FunctionName=name, Name="live")["FunctionVersion"])
        for output, name in names.items()
    }


def deployments(target: Target, resources: Sequence[Resource]) -> Counter[str]:
    """Counts the stack's CodeDeploy deployments by status."""
    client = target.client("codedeploy")
    ids = []
    for one in resources:
        if one.type == "AWS::CodeDeploy::Application":
            for group in client.list_deployment_groups(applicationName=one.id)["deploymentGroups"]:
                ids += client.list_deployments(applicationName=one.id, deploymentGroupName=group)["deployments"]
    return Counter(client.get_deployment(deploymentId=id)["deploymentInfo"]["status"] for id in ids)
