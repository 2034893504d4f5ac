"""A first run on an account: a throw-away stack is deployed, tried out, asked what it tells of itself, and deleted."""

import os
import secrets
import signal
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
    "DeletionProtection=false",
    "LogRetentionDays=1",
    "SystemLogLevel=INFO",  # so that Lambda reports each invocation
    "GradualDeployment=none",
    f"CircuitFailures={journey.FAILURES}",
    "CircuitProbeFirstSeconds=5",
    "CircuitProbeMaxSeconds=10",
    "SyncRetryFirstSeconds=2",
    "SyncRetryMaxSeconds=10",
    "RepublishAfterSeconds=5",
]
_NOTICE = """\
A first run deploys infra/template.yaml to a stack of its own ({stack}, account {account}, region {region}),
tries it out for about {minutes} minutes, and deletes it again, with its tables and its releases.
At list prices metrics, alarms and secrets cost about $0.03 an hour, and all else less than $0.01."""


def first_run(
    target: Target, confirmed: str, parameters: Sequence[str], code: Path | None, minutes: int, keep: bool
) -> None:
    """Deploys a stack, tries it out, reports and deletes it; on AWS only where the account and region are confirmed."""
    target = replace(target, stack=f"brand-sync-first-run-{secrets.token_hex(3)}")
    about = 2 if target.is_local else 25 + minutes
    where = {"stack": target.stack, "account": target.account, "region": target.region}
    print(_NOTICE.format(minutes=about, **where), flush=True)
    if not target.is_local and confirmed != (wanted := f"{target.account}:{target.region}"):
        raise Problem(f"nothing is done without a confirmation: make first-run CONFIRM={wanted}")
    # Told to end by another process, or by the end of its terminal, it deletes everything as at Ctrl-C.
    for sent in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sent, signal.default_int_handler)
    FirstRun(target, parameters, code, minutes).run(keep)


class FirstRun:
    """One run."""

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
        """Deletes everything at the end, whatever failed, and writes the report; a problem if anything failed."""
        os.environ["CMS_API_KEY"] = secrets.token_urlsafe(24)  # of the stub
        try:
            self._try_out()
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

    def _try_out(self) -> None:
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
            """The same code with these parameters."""
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
                    record.left_out("all of it", "no brand could be created")

    def _release(self) -> str:
        stack = self.target.find()
        return stack.parameters[settings.RELEASE] if stack else "none"

    def _collect(self) -> None:
        record = self.record
        with record.attempt("Collected", "the functions' invocations, warnings and errors"):
            self._resources = removal.resources(self.target)
            ran, logged = evidence.functions(self.target, self._resources)
            self._evidence |= {"Invocations": ran, "Warnings and errors": logged}
        wrong: list[str] = []
        with record.attempt("Collected", "the alarms"):
            self._evidence["Alarms"], wrong = evidence.alarms(self.target, self._resources, self._minutes)
        if self.target.is_local:
            record.left_out("the right alarms rang", "the emulator does not evaluate alarms")
            return
        with record.attempt("Collected", "the right alarms rang"):
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
            note("the bucket, too, if it was empty" if self._made_bucket else "the bucket was there before")
        with record.attempt("Deletion", "nothing is left") as note:
            asked, left = removal.left(target, self._resources)
            self._left = [f"{one.type} {one.id}" for one in left]
            note(f"{asked} of {len(self._resources)} resources were looked for; the others are parts of them")
            if left:
                raise Problem(f"{len(left)} are still there")

    def _report(self) -> Path:
        """Writes the report, and prints how to delete what is left."""
        target, record = self.target, self.record
        minutes = (datetime.now(UTC) - self._start).total_seconds() / 60
        left_out = [f"{one.name} ({'; '.join(one.details)})" for one in record.steps if one.status == "left out"]
        lines = [
            f"# First run: {target.stack}\n",
            f"- when: {self._start:%Y-%m-%d %H:%M} UTC, {minutes:.1f} minutes",
            f"- where: {'the emulator' if target.is_local else f'account …{target.account[-4:]}, {target.region}'}",
            f"- commit: {self._commit}",
            f"- failed: {', '.join(step.name for step in record.failures) or 'nothing'}",
            f"- left out: {'; '.join(left_out) or 'nothing'}",
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
            f"{aws} dynamodb delete-table --table-name …, for each table that the first command says it kept",
            f"{aws} s3 rm --recursive s3://{Releases(self.target).find_bucket() or '…'}/{stack}/",
        ]
