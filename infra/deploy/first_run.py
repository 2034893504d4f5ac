"""A first run in an account: deploys a throw-away stack, exercises it, collects evidence, and deletes it."""

import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import evidence
import journey
import removal
import settings
import steps
from project import TARGET, Problem, shown
from record import Record
from releases import Releases
from removal import Resource
from stacks import Target

FOLDER = TARGET / "first-run"
_SETTINGS = [
    "Stage=first-run",
    "CmsUrl=stub:",
    "ReconcileSchedule=",  # each process has a stub of its own: reconcile-brands would see none of the entries
    "DeletionProtection=false",
    "LogRetentionDays=1",
    "SystemLogLevel=INFO",  # makes Lambda report each invocation
    "GradualDeployment=none",
    f"CircuitFailures={journey.FAILURES}",
    "CircuitProbeFirstSeconds=5",
    "CircuitProbeMaxSeconds=10",
    "SyncRetryFirstSeconds=2",
    "SyncRetryMaxSeconds=10",
    "RepublishAfterSeconds=5",
]
_NOTICE = """\
A first run deploys infra/template.yaml to its own stack ({stack}, account {account}, region {region}).
It exercises the stack for about {minutes} minutes, then deletes the stack, its tables and its releases.
At list prices, metrics, alarms and secrets cost about $0.03 an hour, and everything else less than $0.01."""


def first_run(
    target: Target, confirmed: str, parameters: Sequence[str], code: Path | None, minutes: int, keep: bool
) -> None:
    """Deploys, exercises, reports on and deletes a stack; on AWS only if the account and region are confirmed."""
    target = replace(target, stack=f"brand-sync-first-run-{secrets.token_hex(3)}")
    about = 2 if target.is_local else 25 + minutes
    where = {"stack": target.stack, "account": target.account, "region": target.region}
    print(_NOTICE.format(minutes=about, **where), flush=True)
    if not target.is_local and confirmed != (wanted := f"{target.account}:{target.region}"):
        raise Problem(f"confirm the account and the region: make first-run CONFIRM={wanted}")
    FirstRun(target, parameters, code, minutes).run(keep)


class FirstRun:
    """One first run: its target, its settings, and what it found."""

    def __init__(self, target: Target, parameters: Sequence[str], code: Path | None, minutes: int) -> None:
        self.target = target
        self.record = Record()
        self._parameters = parameters
        self._code = code
        self._minutes = minutes
        self._start = datetime.now(UTC)
        self._made_bucket = not Releases(target).find_bucket()
        self._commit = "unknown"
        self._resources: list[Resource] = []
        self._evidence: dict[str, str] = {}
        self._left = ["everything"]

    def run(self, keep: bool) -> None:
        """Runs all parts, deletes everything unless `keep`, and reports; raises a Problem if a step failed."""
        os.environ["CMS_API_KEY"] = secrets.token_urlsafe(24)  # for the stub CMS
        try:
            self._exercise()
            self._collect()
        finally:
            try:
                if not keep:
                    self._delete()
            finally:
                file = self._report()
        if failures := self.record.failures:
            names = ", ".join(repr(step.name) for step in failures)
            raise Problem(f"the first run failed: {names}: see {shown(file)}")

    def _exercise(self) -> None:
        record, target = self.record, self.target
        with record.attempt("Deployment", "a new stack is deployed") as note:
            steps.deploy(target, [*self._parameters, *_SETTINGS], self._code)
            note(f"release {self._release()}")
        stack = target.find()
        if record.failures or not stack:
            return
        first = Releases(target).get(self._release())
        self._commit = first.commit

        def deploy(*parameters: str) -> str:
            """Deploys the same code with these parameters and returns the release's id."""
            steps.roll_back(target, first.id, parameters)
            return self._release()

        app = journey.Application(target, stack.outputs)
        with record.section("Journey"):
            journey.journey(app, record)
        for name, part in (
            ("Outage", lambda: journey.outage(app, record, deploy, self._minutes)),
            ("Canary", lambda: journey.canary(app, record, deploy)),
        ):
            with record.section(name):
                if app.creates:
                    part()
                else:
                    record.skip("the whole section", "no brand could be created")

    def _release(self) -> str:
        stack = self.target.find()
        return stack.parameters[settings.RELEASE] if stack else "none"

    def _collect(self) -> None:
        record = self.record
        with record.attempt("Evidence", "the functions' invocations, warnings and errors"):
            self._resources = removal.resources(self.target)
            ran, logged = evidence.functions(self.target, self._resources)
            self._evidence |= {"Invocations": ran, "Warnings and errors": logged}
        wrong: list[str] = []
        with record.attempt("Evidence", "the alarms"):
            self._evidence["Alarms"], wrong = evidence.alarms(self.target, self._resources, self._minutes)
        if self.target.is_local:
            record.skip("the expected alarms fired", "the emulator does not evaluate alarms")
            return
        with record.attempt("Evidence", "the expected alarms fired"):
            if wrong:
                raise Problem("; ".join(wrong))

    def _delete(self) -> None:
        record, target = self.record, self.target
        with record.attempt("Deletion", "the stack"):
            self._resources = removal.resources(target) or self._resources
            removal.delete_stack(target)
        with record.attempt("Deletion", "the tables that outlive it"):
            removal.delete_tables(target, [one.id for one in self._resources if one.type == removal.TABLE])
        with record.attempt("Deletion", "its objects in the bucket of releases") as note:
            note(f"{removal.delete_objects(target, self._made_bucket)} objects")
            note("and the bucket, if it was empty" if self._made_bucket else "kept the bucket, which existed before")
        with record.attempt("Deletion", "nothing is left") as note:
            asked, left = removal.left(target, self._resources)
            self._left = [f"{one.type} {one.id}" for one in left]
            note(f"checked {asked} of {len(self._resources)} resources; the others are parts of these")
            if left:
                raise Problem(f"{len(left)} still exist")

    def _report(self) -> Path:
        """Writes the report, and prints how to delete what is left."""
        target, record = self.target, self.record
        minutes = (datetime.now(UTC) - self._start).total_seconds() / 60
        skipped = [f"{one.name} ({'; '.join(one.details)})" for one in record.steps if one.status == "skipped"]
        lines = [
            f"# First run: {target.stack}\n",
            f"- when: {self._start:%Y-%m-%d %H:%M} UTC, {minutes:.1f} minutes",
            f"- where: {'the emulator' if target.is_local else f'account …{target.account[-4:]}, {target.region}'}",
            f"- commit: {self._commit}",
            f"- failed: {', '.join(step.name for step in record.failures) or 'nothing'}",
            f"- skipped: {'; '.join(skipped) or 'nothing'}",
            f"- not deleted: {', '.join(self._left) or 'nothing'}",
        ]
        for section in dict.fromkeys(step.section for step in record.steps):
            lines += [f"\n## {section}\n", record.table(section)]
        for name, text in self._evidence.items():
            lines += [f"\n## {name}\n", text]
        file = FOLDER / f"{target.stack}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n")
        print(f"the report: {shown(file)}", flush=True)
        if self._left:
            print("\n  ".join(["to delete what is left:", *self._by_hand()]), flush=True)
        return file

    def _by_hand(self) -> list[str]:
        stack, aws = self.target.stack, "python3 infra/local aws" if self.target.is_local else "aws"
        return [
            f"make delete STACK={stack} CONFIRM={stack}{' TO=local' if self.target.is_local else ''}",
            f"for each table that the first command lists as kept: {aws} dynamodb update-table --table-name … "
            f"--no-deletion-protection-enabled; {aws} dynamodb delete-table --table-name …",
            f"{aws} s3 rm --recursive s3://{Releases(self.target).find_bucket() or '…'}/{stack}/",
        ]
