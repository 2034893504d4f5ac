"""Deploying, updating, rolling back and deleting, on the emulator, by what `make deploy` runs.

python3 infra/local exec -- python3 -m unittest discover --start-directory tests/infra
"""

import contextlib
import json
import os
import re
import secrets
import shlex
import subprocess
import unittest
from pathlib import Path

from botocore.exceptions import ClientError

from deployment import API_KEY, ROOT, Deployment, client, folder, launchers


@unittest.skipUnless("AWS_ENDPOINT_URL" in os.environ, "no emulator: make test-infra")
class ADeployment(unittest.TestCase):
    """One stack, which each test brings to where it begins."""

    stack: Deployment
    first: Path
    second: Path
    said: str
    release: str

    @classmethod
    def setUpClass(cls) -> None:
        place = folder()
        cls.addClassCleanup(place.cleanup)
        used = ("api-root", "create-brand", "query-brands", "sign-in")
        cls.first = launchers(Path(place.name) / "first", used)
        cls.second = launchers(Path(place.name) / "second", used, changed=["create-brand"])
        cls.stack = Deployment("tried-updating")
        cls.said = cls.stack.deploy(cls.first)
        cls.release = cls.stack.release()

    def setUp(self) -> None:
        if self.stack.release() != self.release:
            self.stack.run("rollback", self.release)
            type(self).release = self.stack.release()

    def test_of_the_same_once_more_changes_nothing(self) -> None:
        before = self.history()
        said = self.stack.deploy(self.first, api_key="")
        self.assertIn("was deployed already: nothing has changed", said)
        self.assertEqual(self.history(), before)
        self.assertEqual(self.stack.release(), self.release)

    def test_ends_with_an_address_that_answers_and_a_command_that_makes_an_administrator(self) -> None:
        lines = dict(re.findall(r"^  (\w+(?: \w+)?)  +(.*)$", self.said, re.MULTILINE))
        self.assertEqual(subprocess.run(shlex.split(lines["try it"]), capture_output=True, text=True).stdout, "OK")
        create = f"{lines['administrator']}.{secrets.token_hex(4)}"
        made = subprocess.run(create, shell=True, cwd=ROOT, input="a password", capture_output=True, text=True)
        self.assertRegex(made.stdout, "^user_", made.stderr)
        port = self.stack.endpoint.rpartition(":")[2]
        self.assertEqual(lines["releases"], f"make releases TO=local LOCAL_PORT={port} STACK=tried-updating")

    @unittest.skipUnless(Path("/proc").exists(), "there is no /proc")
    def test_can_build_while_the_local_stack_runs_since_nothing_runs_from_where_it_writes(self) -> None:
        running, functions = set(), set()
        # Other tests may run functions from where they are built.
        of_this_stack = f"AWS_ENDPOINT_URL={self.stack.endpoint}".encode()
        for link in Path("/proc").glob("[0-9]*/exe"):
            with contextlib.suppress(OSError):
                running.add(link.readlink())
                if of_this_stack in (link.parent / "environ").read_bytes().split(b"\0"):
                    functions.add(link.readlink())
        self.assertTrue([path for path in running if path.is_relative_to(ROOT) and path.name == "cms-stub"])
        self.assertFalse([path for path in functions if path.is_relative_to(ROOT / "target" / "lambda")])

    def test_of_changed_code_has_it_answer_and_keeps_the_brands(self) -> None:
        kept = self.created("Kept")
        old, others = self.stack.live("CreateBrand"), self.stack.live("QueryBrands")
        self.stack.deploy(self.second, api_key="")
        new = self.stack.live("CreateBrand")
        self.assertNotEqual(new["CodeSha256"], old["CodeSha256"])
        self.assertNotEqual(new["Version"], old["Version"])
        self.assertEqual(self.stack.live("QueryBrands")["CodeSha256"], others["CodeSha256"])
        self.assertEqual(self.stack.request("GET", f"/admin/brands/{kept}")[0], 200)
        self.created("New")

    def test_rolled_back_answers_as_before_without_a_build_and_keeps_the_brands(self) -> None:
        old = self.stack.live("CreateBrand")
        self.stack.deploy(self.second, "LogLevel=debug", "DeletionProtection=true", api_key="")
        kept, spoiled = self.created("Kept"), self.stack.live("CreateBrand")
        self.assertNotEqual(spoiled["CodeSha256"], old["CodeSha256"])
        said = self.stack.run("rollback", self.release, api_key="")
        self.assertNotIn("build:", said)
        # Lambda publishes only changed functions, so old code needs a new release.
        self.assertNotEqual(self.stack.release(), self.release)
        new = self.stack.live("CreateBrand")
        self.assertEqual(new["Environment"]["Variables"]["RELEASE"], self.stack.release())
        self.assertEqual(new["CodeSha256"], old["CodeSha256"])
        self.assertEqual(new["Environment"]["Variables"]["RUST_LOG"], "info")
        # It guards data, which stays as it is.
        self.assertEqual(self.stack.parameter("DeletionProtection"), "true")
        self.assertEqual(self.stack.request("GET", f"/admin/brands/{kept}")[0], 200)
        self.created("New")
        self.stack.run("rollback", self.release, "LogLevel=error", api_key="")
        self.assertEqual(self.stack.live("CreateBrand")["Environment"]["Variables"]["RUST_LOG"], "error")
        lines = self.stack.run("releases").splitlines()
        deployed = [line for line in lines if "deployed" in line]
        self.assertEqual([line.partition(" ")[0] for line in deployed], [self.stack.release()])
        self.assertEqual(lines[0], deployed[0], "the newest is not first")

    def test_of_another_parameter_has_it_reach_the_functions_that_answer(self) -> None:
        self.stack.deploy(self.first, "LogLevel=warn", api_key="")
        for function in ("CreateBrand", "SyncBrand", "RepublishBrands"):
            variables = self.stack.live(function)["Environment"]["Variables"]
            self.assertEqual(variables["RUST_LOG"], "warn", function)

    def test_shows_and_keeps_the_api_key_nowhere_but_in_its_secret(self) -> None:
        self.assertNotIn(API_KEY, self.said)
        self.assertIn("is deployed", self.said)
        logs = list((ROOT / "target" / "deploy" / "logs").glob("tried-updating-*.log"))
        self.assertEqual(len(logs), 2)
        for log in logs:
            self.assertNotIn(API_KEY, log.read_text())
        s3 = client("s3")
        [bucket] = [one["Name"] for one in s3.list_buckets()["Buckets"] if "releases" in one["Name"]]
        texts = 0
        for found in s3.list_objects_v2(Bucket=bucket)["Contents"]:
            if "/code/" not in found["Key"]:
                texts += 1
                self.assertNotIn(API_KEY.encode(), s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read())
        self.assertGreaterEqual(texts, 2)
        secrets = client("secretsmanager")
        [id] = [one["ARN"] for one in secrets.list_secrets()["SecretList"] if "tried-updating-CmsApiKey" in one["Name"]]
        self.assertEqual(secrets.get_secret_value(SecretId=id)["SecretString"], API_KEY)

    def test_that_cannot_be_done_says_what_to_do(self) -> None:
        releases = rf"(\n  [0-9a-f]{{12}} .*)*\n  {self.release} "
        for arguments, expected in (
            (["deploy", "--code", "target", "CmsURL=x"], "CmsURL: no parameter of the template"),
            (["deploy", "--code", "target", "CmsApiKey=x"], "CMS_API_KEY in the environment"),
            (
                ["rollback", self.release, "CmsRequestsPerSecond=5"],
                "CmsRequestsPerSecond needs a SyncBrandMaximumConcurrency of 2 or more",
            ),
            (
                ["rollback", self.release, "SyncBrandMaximumConcurrency=1"],
                r"must be 0 \(no limit\), or a number from 2 to 1000",
            ),
            (["rollback", "0123"], f"there is no release '0123'{releases}"),
            (["rollback"], rf"make rollback RELEASE=… TO=local LOCAL_PORT=\d+ STACK=tried-updating{releases}"),
            (["delete"], "make delete CONFIRM=tried-updating TO=local"),
        ):
            with self.subTest(arguments):
                self.assertRegex(self.stack.run(*arguments, status=1), expected)
        said = Deployment("tried-without-key").deploy(self.first, status=1, api_key="")
        self.assertIn("CMS_API_KEY is not set", said)

    def test_publishes_the_ends_of_its_alarms_and_not_new_alarms(self) -> None:
        events = client("events")
        [rule] = events.list_rules(NamePrefix="tried-updating-AlarmEndRule")["Rules"]
        described = client("cloudwatch").describe_alarms(AlarmNamePrefix="tried-updating-DeadLettersAlarm")
        [alarm] = described["MetricAlarms"]
        # The previous and the new state, another stack's description or none, and whether the rule matches.
        for before, state, others, published in (
            ("ALARM", "OK", "", True),
            ("INSUFFICIENT_DATA", "OK", "", False),
            ("OK", "ALARM", "", False),
            ("ALARM", "INSUFFICIENT_DATA", "", False),
            ("ALARM", "OK", "tried-updating-2 (local): …", False),
        ):
            event = {
                "id": "7bf73129-1428-4cd3-a780-95db273d1602",
                "account": "123456789012",
                "source": "aws.cloudwatch",
                "time": "2026-01-01T00:00:00Z",
                "region": "us-east-1",
                "resources": [alarm["AlarmArn"]],
                "detail-type": "CloudWatch Alarm State Change",
                "detail": {
                    "alarmName": alarm["AlarmName"],
                    "configuration": {"description": others or alarm["AlarmDescription"]},
                    "previousState": {"value": before},
                    "state": {"value": state},
                },
            }
            answer = events.test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(event))
            self.assertEqual(answer["Result"], published, (before, state, others))

    def created(self, name: str) -> str:
        status, answer = self.stack.request("POST", "/admin/brands", {"name": name})
        self.assertEqual(status, 200, answer)
        id: str = answer["brand"]["id"]
        return id

    def history(self) -> list[str]:
        events = client("cloudformation").describe_stack_events(StackName=self.stack.stack)["StackEvents"]
        return [event["EventId"] for event in events]


@unittest.skipUnless("AWS_ENDPOINT_URL" in os.environ, "no emulator: make test-infra")
class AFailedCreation(unittest.TestCase):
    def test_leaves_nothing_behind(self) -> None:
        stack = Deployment("tried-failing")
        stack.run("delete", status=1)  # installs the tools
        with folder() as place:
            broken = Path(place) / "template.yaml"
            late = "\n  Late:\n    Type: AWS::Logs::LogStream\n    DependsOn: [BrandsTable, AdminUsersTable, Dashboard]\n"
            late += "    Properties: { LogGroupName: of-no-stack }\n"
            written = (ROOT / "infra" / "template.yaml").read_text()
            broken.write_text(written.replace("\nResources:\n", f"\nResources:{late}", 1))
            first = launchers(Path(place) / "code", used=())
            said = stack.deploy(first, "DeletionProtection=true", status=1, template=str(broken))
        self.assertRegex(said, r"CREATE_FAILED +Late .*of-no-stack")
        log = re.search(r"target/deploy/logs/\S+\.log$", said, re.MULTILINE)
        assert log, said
        self.assertIn("of-no-stack", (ROOT / log[0]).read_text())
        self.assertLess(len(said.splitlines()), 20, said)
        self.assertEqual(stack.status(), "ROLLBACK_COMPLETE")
        # On AWS, a protected table could not be rolled back; the emulator deletes it.
        self.assertEqual(stack.parameter("DeletionProtection"), "false")
        self.assertIn("make delete", stack.deploy(first, status=1))
        self.assertIn("kept:\n  nothing", stack.run("delete", "--confirm", "tried-failing"))
        self.assertEqual({one for one in stack.resources() if not one.startswith("stack ")}, set())
        s3 = client("s3")
        [bucket] = [one["Name"] for one in s3.list_buckets()["Buckets"] if "releases" in one["Name"]]
        self.assertNotIn("Contents", s3.list_objects_v2(Bucket=bucket, Prefix="tried-failing/"))


@unittest.skipUnless("AWS_ENDPOINT_URL" in os.environ, "no emulator: make test-infra")
class ADeletedStack(unittest.TestCase):
    def test_leaves_the_two_tables_that_are_kept_and_nothing_else(self) -> None:
        stack = Deployment("tried-deleting")
        with folder() as place:
            # As on AWS, but that nobody gets in without TLS: the emulator has none.
            parameters = ["QueuesRequireTls=true", "DeletionProtection=true", "AlarmEmail=operator@example.com"]
            stack.deploy(launchers(Path(place) / "code", used=()), *parameters)
        there, outputs = stack.resources(), stack.outputs()
        kinds = {one.partition(" ")[0] for one in there}
        self.assertGreaterEqual(len(kinds), 13, there)
        self.assertEqual(len([one for one in there if one.startswith("function ")]), 10)

        for queue in ("BrandEventsQueueUrl", "BrandEventsDeadLetterQueueUrl"):
            with self.assertRaises(ClientError) as refused:
                client("sqs").receive_message(QueueUrl=outputs[queue])
            self.assertIn("AccessDenied", json.dumps(refused.exception.response))

        said = stack.run("delete", "--confirm", "tried-deleting")
        kept = {f"table {outputs[f'{table}TableName']}" for table in ("Brands", "AdminUsers")}
        left = {
            one for one in stack.resources() if not one.startswith("stack ")
        }  # CloudFormation tells of deleted ones, too
        self.assertEqual(left, kept)
        for table in kept:
            name = table.removeprefix("table ")
            self.assertIn(name, said)
            with self.assertRaisesRegex(ClientError, "deletion protection"):
                client("dynamodb").delete_table(TableName=name)


if __name__ == "__main__":
    unittest.main()
