"""The functions' roles grant exactly the calls that the functions make.

python3 infra/local exec -- python3 -m unittest discover --start-directory tests/infra --pattern test_calls.py
"""

import hashlib
import hmac
import json
import os
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from deployment import client
from grants import problems

from calls import PATH, Call  # infra/local's
from deploy import STACK
from processes import await_that

TABLE, OTHER = "arn:table/users", "arn:table/brands"
RECONCILE_BRANDS = os.environ.get("RECONCILE_BRANDS_FUNCTION", "")


class TheComparison(unittest.TestCase):
    """All tests but the first show that the comparison can fail."""

    def statement(self, **changes: Any) -> dict[str, Any]:
        return {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE} | changes

    def conditional(self) -> dict[str, Any]:
        return self.statement(Condition={"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["#a"]}})

    def test_accepts_granted_calls_if_each_grant_is_used(self) -> None:
        both = self.statement(Action=["dynamodb:GetItem", "dynamodb:Query"], Resource=[OTHER])
        calls = [Call("role", f"dynamodb:{action}", OTHER) for action in ("GetItem", "Query")]
        calls.append(Call("role", "dynamodb:GetItem", TABLE, ("#a",)))
        self.assertEqual(problems([both, self.conditional()], calls), [])

    def test_finds_a_call_that_is_not_granted(self) -> None:
        get, put = Call("role", "dynamodb:GetItem", TABLE), Call("role", "dynamodb:PutItem", TABLE)
        elsewhere = Call("role", "dynamodb:GetItem", OTHER)
        self.assertEqual(problems([self.statement()], [get, put]), [f"not granted: dynamodb:PutItem on {TABLE}"])
        self.assertEqual(
            problems([self.statement()], [get, elsewhere]), [f"not granted: dynamodb:GetItem on {OTHER}"]
        )

    def test_finds_a_grant_that_is_never_used(self) -> None:
        wide = self.statement(Action=["dynamodb:GetItem", "dynamodb:DeleteItem"])
        calls = [Call("role", "dynamodb:GetItem", TABLE)]
        self.assertEqual(problems([wide], calls), [f"never used: dynamodb:DeleteItem on {TABLE}"])

    def test_finds_a_call_that_does_not_meet_the_condition(self) -> None:
        inside = Call("role", "dynamodb:GetItem", TABLE, ("#a",))
        for keys, named in ((("#b",), ", of #b"), (("#a", "#b"), ", of #a, #b"), ((), "")):
            outside = Call("role", "dynamodb:GetItem", TABLE, keys)
            expected = [f"not granted: dynamodb:GetItem on {TABLE}{named}"]
            self.assertEqual(problems([self.conditional()], [inside, outside]), expected)

    def test_finds_a_call_that_the_emulator_refused(self) -> None:
        calls = [Call("role", "dynamodb:GetItem", TABLE, refused=refused) for refused in (False, True)]
        self.assertEqual(problems([self.statement()], calls), [f"refused: dynamodb:GetItem on {TABLE}"])

    def test_rejects_a_statement_that_it_cannot_compare(self) -> None:
        for changes in ({"Effect": "Deny"}, {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}):
            with self.assertRaisesRegex(AssertionError, "cannot compare"):
                problems([self.statement(**changes)], [])


@unittest.skipUnless("AWS_ENDPOINT_URL" in os.environ, "no emulator: make test-infra")
class TheFunctions(unittest.TestCase):
    """On the stack that the system tests share, so `make test` compares the calls of the whole run."""

    def test_make_the_calls_that_their_roles_grant_and_no_others(self) -> None:
        # The comparison runs even if a step fails: a refused call may be the cause.
        for step in (
            self.use_the_api,
            self.refuse_a_deletion,
            self.steer_the_sync,
            self.park_messages,
            self.survive_an_outage,
            self.report_the_calls,
            self.reconcile,
            self.take_in_an_editors_changes,
            self.open_and_close_the_circuit,
        ):
            with self.subTest(step.__name__):
                step()
        recorded = json.loads(self.fetch("GET", f"{os.environ['AWS_ENDPOINT_URL']}{PATH}")[1])
        calls = [Call(**call | {"leading_keys": tuple(call["leading_keys"])}) for call in recorded]
        described = client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
        resources = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in described}
        functions = [one["LogicalResourceId"] for one in described if one["ResourceType"] == "AWS::Lambda::Function"]
        self.assertEqual(len(functions), 10)
        for function in functions:
            role = resources[f"{function.removesuffix('Function')}Role"]
            with self.subTest(function):
                made = [call for call in calls if call.role == role]
                found = problems(self.statements(role), [*made, *self.of_the_platform(function, resources)])
                self.assertFalse(found, "\n" + "\n".join(found))

    def statements(self, role: str) -> list[dict[str, Any]]:
        """The statements of the role's policies, read from IAM."""
        iam = client("iam")
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        policies = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
        return [statement for policy in policies for statement in policy["Statement"]]

    def of_the_platform(self, function: str, resources: dict[str, str]) -> list[Call]:
        """The calls that AWS Lambda makes with the function's role. The emulator does not use the role for them."""
        name = function.removesuffix("Function")
        prefix = resources[f"{name}LogGroup"]
        [group] = client("logs").describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
        # Lambda writes the function's logs.
        calls = [(f"logs:{action}", group["arn"]) for action in ("CreateLogStream", "PutLogEvents")]
        # Lambda sends its traces (TracingConfig).
        calls += [(f"xray:{action}", "*") for action in ("PutTraceSegments", "PutTelemetryRecords")]
        # The event source mapping polls the queue.
        mappings = client("lambda").list_event_source_mappings(FunctionName=resources[function])
        for mapping in mappings["EventSourceMappings"]:
            actions = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
            calls += [(f"sqs:{action}", mapping["EventSourceArn"]) for action in actions]
        return [Call(resources[f"{name}Role"], *call) for call in calls]

    def use_the_api(self) -> None:
        """Sends each kind of request, including refused and repeated ones."""
        sign_in, brands = "/auth/user/emailpass", "/admin/brands"
        email, password = os.environ["ADMIN_EMAIL"], os.environ["ADMIN_PASSWORD"]
        for who, secret, expected in (
            (email, password, 200),
            (email, "wrong", 401),
            ("nobody@example.com", password, 401),
        ):
            self.api("POST", sign_in, {"email": who, "password": secret}, status=expected)
        for path in ("/health", "/app", "/app/console.js"):
            self.api("GET", path)
        self.api("GET", "/admin/nothing", status=404)
        created = [self.api("POST", brands, {"name": "Called"}, key=key) for key in (None, *[str(uuid.uuid4())] * 2)]
        self.assertEqual(created[1], created[2])
        ids = [one["brand"]["id"] for one in created]
        self.api("POST", f"{brands}/{ids[0]}", {"name": "Called otherwise"})
        for query in ("", "?offset=1&q=called", "?after=", "?after=&fields=id,name,sync"):
            self.api("GET", f"{brands}{query}")
        for method in ("GET", "HEAD"):
            for path in (f"{brands}/{ids[0]}", "/admin/workflows-executions", "/admin/cms", "/admin/parked"):
                self.api(method, path)
        self.api("GET", "/admin/cms?fields=%2Bactivity")
        for _ in ("at first", "once more"):
            self.api("DELETE", f"{brands}/{ids[0]}")
        self.api("GET", f"{brands}/{ids[0]}?with_deleted=true")

    def refuse_a_deletion(self) -> None:
        """Makes the CMS refuse to delete a brand, so that the brand needs attention, and repeats the DELETE."""
        id = self.create("Kept by the CMS")
        self.await_in_cms(id, status=200)
        row = {"TableName": os.environ["BRANDS_TABLE"], "Key": {"id": {"S": id}}}
        self.break_the_cms({"kind": "permanent", "operation": "delete"})
        try:
            self.api("DELETE", f"/admin/brands/{id}")
            is_marked = lambda: "attention_since" in client("dynamodb").get_item(**row)["Item"] or None  # noqa: E731
            self.sweep_until(is_marked, "the brand needs attention")
        finally:
            self.break_the_cms()
        self.api("DELETE", f"/admin/brands/{id}")
        self.await_in_cms(id, status=404)

    def steer_the_sync(self) -> None:
        """Cancels the runs of two of three brands that the CMS does not take now, and syncs all three once more."""
        executions, bulk = "/admin/workflows-executions", "/admin/brands/sync"
        self.break_the_cms({"kind": "transient"})
        try:
            ids = [self.create(f"Steered {place}") for place in range(3)]
            for id in ids:
                await_that(lambda: self.sync_of(id)["attempts"] or None, "the CMS was called for the brand", 60)
            for run in (f"sync-brand-to-cms:{ids[0]}", f"sync-brand-to-cms/{ids[1]}"):
                self.api("GET", f"{executions}/{run}")
                self.api("POST", f"{executions}/{run}/cancel", {"reason": "a test"})
        finally:
            self.break_the_cms()
        for id in ids[:2]:
            self.sweep_until(lambda: self.sync_of(id)["state"] == "cancelled" or None, "the run is cancelled")
        for state in ("cancelled", "waiting"):
            self.api("GET", f"/admin/brands?sync={state}&q=steered&fields=id,name,sync")
            self.api("POST", bulk, {"filter": {"sync": [state]}, "dry_run": True})
        cancelled = {"sync": ["cancelled"], "q": "steered"}
        done = self.api("POST", bulk, {"filter": cancelled, "reason": "a test"})
        self.assertGreaterEqual(done["taken_up"], 2)
        self.take_up(ids[2])
        for id in ids:
            self.await_in_cms(id, status=200)

    def park_messages(self) -> None:
        """Sends a body that is not an event, and an event about an unknown brand. Redrives the one, deletes the other."""
        sqs, queue = client("sqs"), os.environ["BRAND_EVENTS_DLQ_URL"]

        def count() -> int:
            names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
            return sum(map(int, found.values()))

        before = count()
        brand, other = str(uuid.uuid4()), f"not an event: {uuid.uuid4()}"
        event = {"specversion": "1.0", "id": "1", "source": "test", "type": "brand.sync-due", "data": {"id": brand}}
        for body in (other, json.dumps(event)):
            sqs.send_message(QueueUrl=os.environ["BRAND_EVENTS_QUEUE_URL"], MessageBody=body)
        await_that(lambda: count() >= before + 2 or None, "the messages are parked", 60)
        parked = self.api("GET", "/admin/parked?kind=malformed,unknown_brand&limit=100")["parked"]
        [unknown] = [one["id"] for one in parked if one["brand_id"] == brand]
        [malformed] = [one["id"] for one in parked if one["body"] == other]
        self.assertEqual(self.api("POST", "/admin/parked/redrive", {"id": [unknown]})["moved"], 1)
        self.api("DELETE", f"/admin/parked/{malformed}")
        await_that(lambda: count() >= before + 1 or None, "the redriven message is parked again", 60)

    def survive_an_outage(self) -> None:
        """Makes the CMS fail until the circuit is open and a probe has failed, then lets the sweep recover."""
        self.break_the_cms({"kind": "transient"})
        try:
            made = [self.create(f"Late {place}") for place in range(7)]
            self.sweep_until(lambda: self.failed_probes() or None, "a probe has failed")
        finally:
            self.break_the_cms()
        self.sweep_until(lambda: True if self.failed_probes() is None else None, "the circuit is closed")
        # One of them may have been the probe. Two are enough: brands that met the open circuit wait longer.
        synced = lambda: sum(self.in_cms(id) == 200 for id in made) >= 2 or None  # noqa: E731
        self.sweep_until(synced, "two of the brands are in the CMS")

    def report_the_calls(self) -> None:
        """Syncs a brand again and again until sync-brand has reported its calls of a minute."""
        id = self.create("Called again")

        def reported() -> Any:
            calls = self.api("GET", "/admin/cms")["cms"]["calls"]
            if not calls and self.sync_of(id)["state"] == "synced":
                self.take_up(id)
            return calls or None

        await_that(reported, "sync-brand has reported its calls", 150)

    def reconcile(self) -> None:
        """Requests a reconciliation that changes nothing, and has reconcile-brands work on it until it is done."""
        path = "/admin/cms/reconciliation"
        self.api("HEAD", path)
        before = self.api("GET", path)["reconciliation"]["report"]
        self.api("POST", path, {"dry_run": True})

        def done() -> Any:
            client("lambda").invoke(FunctionName=RECONCILE_BRANDS, Qualifier="live", Payload=b"{}")
            view = self.api("GET", path)["reconciliation"]
            is_another = before is None or view["report"]["id"] != before["id"]
            return view if is_another and view["state"] in ("done", "stopped") else None

        view = await_that(done, "the reconciliation is done", 120)
        self.assertEqual(view["state"], "done", view)
        self.assertTrue(view["report"]["request"]["dry_run"])
        self.assertGreater(view["report"]["brands"], 0)
        self.assertGreater(view["report"]["entries"], 0)

    def take_in_an_editors_changes(self) -> None:
        """Renames one entry of the CMS and adds another, and has both taken in because of webhooks.

        The stack's policies only report such changes. So the function's unpublished version gets others and is
        invoked; the alias, which the schedules invoke, keeps the published version.
        """
        editor = {"Authorization": f"Bearer {os.environ['CMS_API_KEY']}"}
        id, renamed, made = self.create("Called here"), f"Renamed {uuid.uuid4()}", f"Made {uuid.uuid4()}"
        self.await_in_cms(id, status=200)
        await_that(lambda: self.sync_of(id)["state"] == "synced" or None, "the row says that it is synced", 60)
        entries = f"{os.environ['CMS_URL']}/editor"
        self.assertEqual(self.fetch("PUT", f"{entries}/brands/{id}", {"name": renamed}, editor)[0], 204)
        self.assertEqual(self.fetch("POST", f"{entries}/entries", {"name": made}, editor)[0], 201)
        hooks = f"{os.environ['API_URL']}/hooks/cms"
        self.assertEqual(self.fetch("POST", hooks, {"id": id, "name": renamed})[0], 401)
        self.assertFalse(self.hook(id=id, name="Called here"), "as the sync has left it")

        def taken_in() -> Any:
            # The schedule's invocation, which only reports, may follow a hint first. So they are sent again.
            self.hook(id=id, name=renamed)
            self.assertTrue(self.hook(id=None, name=made))
            client("lambda").invoke(FunctionName=RECONCILE_BRANDS, Payload=b"{}")
            is_renamed = self.api("GET", f"/admin/brands/{id}")["brand"]["name"] == renamed
            return is_renamed and self.listed(made) == 1 or None

        with self.policies(CMS_EDITS="accept", CMS_MADE="create"):
            await_that(taken_in, "both changes are taken in", 120)

    def open_and_close_the_circuit(self) -> None:
        """Comes last: for some seconds sync-brand may still take the circuit for open."""
        for state in ("open", "closed"):
            self.api("POST", "/admin/cms/circuit", {"state": state, "reason": "a test"})

    def hook(self, **entry: Any) -> bool:
        """Sends a webhook of the CMS and returns whether reconcile-brands looks at the CMS because of it."""
        secret = client("secretsmanager").get_secret_value(SecretId=os.environ["CMS_HOOK_SECRET_ID"])["SecretString"]
        seconds = int(time.time())
        code = hmac.new(secret.encode(), f"{seconds}.{json.dumps(entry)}".encode(), hashlib.sha256).hexdigest()
        headers = {"X-Signature": f"t={seconds},v1={code}"}
        status, body = self.fetch("POST", f"{os.environ['API_URL']}/hooks/cms", entry, headers)
        self.assertEqual(status, 200, body)
        return bool(json.loads(body)["looks"])

    @contextmanager
    def policies(self, **variables: str) -> Iterator[None]:
        """Gives the unpublished version of reconcile-brands these policies, and its own again at the end."""
        lambda_ = client("lambda")
        own = lambda_.get_function_configuration(FunctionName=RECONCILE_BRANDS)["Environment"]["Variables"]
        set_to = lambda others: lambda_.update_function_configuration(  # noqa: E731
            FunctionName=RECONCILE_BRANDS, Environment={"Variables": own | others}
        )
        set_to(variables)
        try:
            yield
        finally:
            set_to({})

    def listed(self, name: str) -> int:
        """The number of brands with that name."""
        return int(self.api("GET", f"/admin/brands?q={urllib.parse.quote(name)}&limit=0")["count"])

    def sync_of(self, id: str) -> Any:
        """The state of the brand's sync."""
        return self.api("GET", f"/admin/brands/{id}?fields=sync")["brand"]["sync"]

    def take_up(self, id: str) -> None:
        """Has the brand synced again. While it is being written to, the API answers 409."""

        def taken_up() -> Any:
            status, body = self.send("POST", f"/admin/brands/{id}/sync", {"reason": "a test"})
            self.assertIn(status, (200, 409), body)
            return status == 200 or None

        await_that(taken_up, "the brand is taken up", 60)

    def create(self, name: str) -> str:
        """Creates a brand and returns its id."""
        return str(self.api("POST", "/admin/brands", {"name": name})["brand"]["id"])

    def break_the_cms(self, *faults: dict[str, Any]) -> None:
        """Replaces the stub's fault rules."""
        key = {"Authorization": f"Bearer {os.environ['CMS_API_KEY']}"}
        self.assertEqual(self.fetch("PUT", f"{os.environ['CMS_URL']}/faults", list(faults), key)[0], 204)

    def failed_probes(self) -> int | None:
        """The number of probes that failed since the circuit opened; None if it is closed."""
        for circuit in client("dynamodb").scan(TableName=os.environ["CIRCUITS_TABLE"])["Items"]:
            if "open" in circuit:
                return int(circuit["open"]["M"]["by"]["M"]["system"]["M"]["failed_probes"]["N"])
        return None

    def in_cms(self, id: str) -> int:
        return self.fetch("GET", f"{os.environ['CMS_URL']}/brands/{id}")[0]

    def await_in_cms(self, id: str, status: int) -> None:
        self.sweep_until(lambda: self.in_cms(id) == status or None, f"the CMS answers {status} for {id}")

    def sweep_until(self, condition: Callable[[], Any], what: str) -> None:
        """Invokes republish-brands, as its schedule does each minute, until the condition holds."""

        def met() -> Any:
            found = condition()
            if found is None:
                client("lambda").invoke(FunctionName=os.environ["REPUBLISH_BRANDS_FUNCTION"], Qualifier="live")
            return found

        await_that(met, what, 120)

    def api(self, method: str, path: str, body: Any = None, status: int = 200, key: str | None = None) -> Any:
        """Sends a request as the administrator and returns the JSON of the response."""
        found, text = self.send(method, path, body, key)
        self.assertEqual(found, status, f"{method} {path}: {text!r}")
        return json.loads(text) if text.startswith(b"{") else None

    def send(self, method: str, path: str, body: Any = None, key: str | None = None) -> tuple[int, bytes]:
        """Sends a request as the administrator and returns the status and the body of the response."""
        headers = {"Authorization": f"Bearer {os.environ['ADMIN_TOKEN']}"} | ({"Idempotency-Key": key} if key else {})
        return self.fetch(method, f"{os.environ['API_URL']}{path}", body, headers)

    def fetch(
        self, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Sends a request and returns the status and the body of the response."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | (headers or {})
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


if __name__ == "__main__":
    unittest.main()
