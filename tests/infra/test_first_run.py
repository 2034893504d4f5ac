"""A first run on the emulator, and the parsing of Lambda's reports.

python3 infra/local exec -- python3 -m unittest discover --start-directory tests/infra
"""

import json
import os
import re
import subprocess
import sys
import time
import unittest
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.stub import Stubber

from deployment import FUNCTIONS, Deployment, client, code, folder, launchers
from template import ROOT

import evidence  # infra/deploy's: found by `template`
import journey
from evidence import Invocation, invocation_of, problems, summary
from removal import Resource
from stacks import Target

SECTIONS = ("Deployment", "Journey", "Outage", "Canary", "Evidence", "Deletion")
# Lambda's log lines, as AWS documents them.
AS_JSON = {
    "time": "2026-11-28T15:00:00.000Z",
    "type": "platform.report",
    "record": {
        "requestId": "8286a188-ba32-4475-8077-530cd35c09a9",
        "metrics": {
            "durationMs": 12.5,
            "billedDurationMs": 63,
            "memorySizeMB": 256,
            "maxMemoryUsedMB": 31,
            "initDurationMs": 49.75,
        },
        "status": "success",
    },
}
AS_TEXT = (
    "REPORT RequestId: 8286a188-ba32-4475-8077-530cd35c09a9\tDuration: 12.50 ms\tBilled Duration: 63 ms\t"
    "Memory Size: 256 MB\tMax Memory Used: 31 MB\t"
)


class Reports(unittest.TestCase):
    """Lambda's log lines about invocations."""

    def test_a_cold_start_is_parsed_from_json_and_from_text(self) -> None:
        expected = Invocation(duration=12.5, init=49.75, used=31, size=256, succeeded=True)
        self.assertEqual(invocation_of(json.dumps(AS_JSON)), expected)
        text = f"{AS_TEXT}Init Duration: 49.75 ms\t\nXRAY TraceId: 1-5bef4de7\tSegmentId: 6\tSampled: true\n"
        self.assertEqual(invocation_of(text), expected)

    def test_a_warm_invocation_has_no_init(self) -> None:
        expected = Invocation(duration=12.5, init=None, used=31, size=256, succeeded=True)
        metrics = {name: value for name, value in AS_JSON["record"]["metrics"].items() if name != "initDurationMs"}
        warm = AS_JSON | {"record": AS_JSON["record"] | {"metrics": metrics}}
        self.assertEqual(invocation_of(json.dumps(warm)), expected)
        self.assertEqual(invocation_of(AS_TEXT), expected)

    def test_a_time_out_is_a_failure(self) -> None:
        late = AS_JSON | {"record": AS_JSON["record"] | {"status": "timeout"}}
        for message in (json.dumps(late), f"{AS_TEXT}Init Duration: 49.75 ms\tStatus: timeout"):
            found = invocation_of(message)
            self.assertTrue(found and not found.succeeded, message)

    def test_other_lines_are_not_reports(self) -> None:
        for message in ("START RequestId: 1 Version: 2", "", "{", "[]", '"text"', '{"type": "platform.start"}'):
            self.assertIsNone(invocation_of(message), message)

    def test_a_summary_has_medians_and_extremes(self) -> None:
        found = [Invocation(n, 50.0 if n == 1 else None, 30 + n, 256, n != 3) for n in (3, 1, 2)]
        self.assertEqual(summary(found), ("3", "1", "1", "50, 50 ms", "2, 3, 3 ms", "33 of 256 MB"))
        without = [Invocation(7, None, 0, 256, True)]
        never = evidence.NOT_REPORTED
        self.assertEqual(summary(without), ("1", "0", never, never, "7, 7, 7 ms", never))
        self.assertEqual(summary([]), ("0", *[never] * 5))

    def test_warnings_and_errors_are_counted_with_the_first_of_each(self) -> None:
        lines = [{"level": level, "fields": {"message": f"{level} {n}"}} for n in (1, 2) for level in ("INFO", "WARN")]
        found = problems([*map(json.dumps, lines), "thread panicked", json.dumps(AS_JSON)])
        self.assertEqual(list(found), [("WARN", "2", "WARN 1")])


class OnAws(unittest.TestCase):
    """Features that the emulator lacks, on stubbed responses that follow the models of AWS's services."""

    RESOURCES = [
        Resource("AWS::CloudWatch::Alarm", "CircuitOpenAlarm", "stack-CircuitOpenAlarm-1"),
        Resource("AWS::CloudWatch::Alarm", "SyncBrandErrorsAlarm", "stack-SyncBrandErrorsAlarm-2"),
    ]

    def alarms(self, minutes: int, **states: str) -> tuple[str, list[str]]:
        """Evaluates alarms that changed from OK to these states."""
        cloudwatch = stubbed("cloudwatch")
        ids = [one.id for one in self.RESOURCES]
        found = [{"AlarmName": id, "StateValue": "OK"} for id in ids]
        cloudwatch.add_response("describe_alarms", {"MetricAlarms": found}, {"AlarmNames": ids, "MaxRecords": 100})
        for one in self.RESOURCES:
            summary = f"Alarm updated from OK to {states.get(one.name, 'OK')}"
            items = [{"Timestamp": datetime(2026, 11, 28, 15, tzinfo=UTC), "HistorySummary": summary}]
            asked = {"AlarmName": one.id, "HistoryItemType": "StateUpdate"}
            cloudwatch.add_response("describe_alarm_history", {"AlarmHistoryItems": items}, asked)
        return evidence.alarms(target(cloudwatch=cloudwatch), self.RESOURCES, minutes)

    def test_an_alarm_that_fires_in_a_short_outage_is_unexpected(self) -> None:
        text, wrong = self.alarms(0, SyncBrandErrorsAlarm="ALARM")
        self.assertEqual(wrong, ["SyncBrandErrorsAlarm fired unexpectedly"])
        self.assertIn("| SyncBrandErrorsAlarm | OK | 15:00:00 ALARM |", text)

    def test_a_long_outage_must_fire_the_circuits_alarm(self) -> None:
        self.assertEqual(self.alarms(20, CircuitOpenAlarm="ALARM")[1], [])
        self.assertEqual(self.alarms(20)[1], ["CircuitOpenAlarm did not fire"])

    def test_without_resources_other_stacks_alarms_are_not_listed(self) -> None:
        self.assertEqual(evidence.alarms(target(cloudwatch=stubbed("cloudwatch")), [], 0), ("none", []))

    def test_codedeploys_deployments_are_counted_by_status(self) -> None:
        codedeploy = stubbed("codedeploy")
        groups = {"applicationName": "application"}
        codedeploy.add_response("list_deployment_groups", {"deploymentGroups": ["one", "two"]}, groups)
        for group in ("one", "two"):
            asked = groups | {"deploymentGroupName": group}
            codedeploy.add_response("list_deployments", {"deployments": [f"d-{group}"]}, asked)
        for group, status in (("one", "Succeeded"), ("two", "Failed")):
            answer = {"deploymentInfo": {"status": status}}
            codedeploy.add_response("get_deployment", answer, {"deploymentId": f"d-{group}"})
        application = Resource("AWS::CodeDeploy::Application", "ServerlessDeploymentApplication", "application")
        found = journey.deployments(target(codedeploy=codedeploy), [application, *self.RESOURCES])
        self.assertEqual(found, {"Succeeded": 1, "Failed": 1})


def stubbed(service: Any) -> Stubber:
    """Stubs a client; the stub checks requests and responses against the service's model."""
    stub = Stubber(boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"))
    stub.activate()
    return stub


def target(**stubs: Stubber) -> Target:
    """A target on AWS with these stubbed services."""
    return Target("default", "stack", "123456789012", "us-east-1", lambda service: stubs[service].client, [])


class Run:
    """A first run in its own process, which writes its output to a file."""

    def __init__(self, code: Path, output: Path) -> None:
        self._output = output
        environment = os.environ | {"LOCAL_PORT": os.environ["AWS_ENDPOINT_URL"].rpartition(":")[2]}
        command = [sys.executable, "infra/deploy", "--to", "local", "first-run", "--code", str(code)]
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )

    def said(self) -> str:
        return self._output.read_text(errors="replace")

    def await_that(self, text: str) -> None:
        """Waits until the output contains the text."""
        deadline = time.monotonic() + 120
        while text not in self.said():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the output lacks {text!r}:\n{self.said()}")
            time.sleep(0.1)

    def report(self) -> str:
        """The report of a finished run."""
        found = re.search(r"the report: (\S+)", self.said())
        assert found, self.said()
        return (ROOT / found[1]).read_text()


def section(report: str, name: str) -> list[list[str]]:
    """The rows of a section's table, without its head."""
    text = report.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    return [line.strip("| ").split(" | ") for line in text.strip().splitlines()[2:]]


def left_of(report: str) -> set[str]:
    """What is left of the run's stack, in each service and in the bucket of releases."""
    stack = report.splitlines()[0].rpartition(" ")[2]
    s3 = client("s3")
    buckets = [one["Name"] for one in s3.list_buckets()["Buckets"] if "releases" in one["Name"]]
    objects = {
        f"object {one['Key']}"
        for bucket in buckets
        for one in s3.list_objects_v2(Bucket=bucket, Prefix=f"{stack}/").get("Contents", [])
    }
    # CloudFormation lists deleted stacks, too.
    return objects | {one for one in Deployment(stack).resources() if not one.startswith("stack ")}


@unittest.skipUnless("AWS_ENDPOINT_URL" in os.environ, "no emulator: make test-infra")
class AFirstRun(unittest.TestCase):
    """A run of working code, and a run of code whose create-brand does not start."""

    good: Run
    broken: Run

    @classmethod
    def setUpClass(cls) -> None:
        place = folder()
        cls.addClassCleanup(place.cleanup)
        path = Path(place.name)
        cls.good = Run(code(path / "good"), path / "good.log")
        cls.addClassCleanup(cls.good.process.wait)
        # The second run starts when the first has created the bucket of releases, so it does not delete the bucket.
        cls.good.await_that("Journey:")
        others = [name for name in FUNCTIONS if name != "create-brand"]
        cls.broken = Run(launchers(path / "broken", others), path / "broken.log")
        cls.addClassCleanup(cls.broken.process.wait)
        for run in (cls.broken, cls.good):
            run.process.wait()
        print(f"\n{cls.good.report()}", flush=True)

    def test_of_working_code_passes_every_step(self) -> None:
        self.assertEqual(self.good.process.returncode, 0, self.good.said())
        report = self.good.report()
        for name in SECTIONS:
            rows = section(report, name)
            self.assertTrue(rows, name)
            for step, status, *_, details in rows:
                self.assertEqual(status, "skipped" if "the emulator" in details else "ok", step)
        self.assertGreaterEqual(len(section(report, "Journey")), 12)
        outage = "\n".join(" ".join(row) for row in section(report, "Outage"))
        for expected in ("5 created", "open: the cms", "0 synced, 0 parked", "5 synced, closed", "5 found, 0 parked"):
            self.assertIn(expected, outage)
        canary = {step: details for step, *_, details in section(report, "Canary")}
        self.assertRegex(canary["every request was answered"], r"^200: [1-9]\d* times$")
        self.assertEqual(canary["CodeDeploy's deployments succeeded"], "the emulator has no CodeDeploy")
        self.assertIn("not deleted: nothing", report)

    def test_collects_evidence_of_functions_and_alarms(self) -> None:
        report = self.good.report()
        invocations = section(report, "Invocations")
        self.assertEqual(len(invocations), 10)
        for function, count, *_, duration, _ in invocations:
            self.assertGreater(int(count), 0, function)
            self.assertRegex(duration, r"^\d+, \d+, \d+ ms$", function)
        self.assertIn(["SyncBrand", "WARN"], [row[:2] for row in section(report, "Warnings and errors")])
        self.assertIn("CircuitOpenAlarm", [name for name, *_ in section(report, "Alarms")])

    def test_of_a_broken_function_names_the_failed_step_and_exits_with_1(self) -> None:
        self.assertEqual(self.broken.process.returncode, 1, self.broken.said())
        self.assertIn("the first run failed: 'a brand is created'", self.broken.said())
        report = self.broken.report()
        self.assertIn("- failed: a brand is created\n", report)
        self.assertEqual([status for _, status, *_ in section(report, "Outage")], ["skipped"])
        self.assertEqual({status for _, status, *_ in section(report, "Deletion")}, {"ok"})

    def test_asks_for_a_confirmation_on_aws(self) -> None:
        command = [sys.executable, "infra/deploy", "--to", "aws", "first-run", "--confirm", "000000000000:eu-west-1"]
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("make first-run CONFIRM=000000000000:us-east-1", done.stderr)

    def test_leaves_nothing_whether_it_failed_or_not(self) -> None:
        for run in (self.good, self.broken):
            self.assertEqual(left_of(run.report()), set())


if __name__ == "__main__":
    unittest.main()
