"""What a first run tried, step by step, and its report in Markdown."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from project import Problem

Note = Callable[[str], None]


class _Failed(Exception):
    """A step failed, and is recorded: the rest of its section is left out."""


@dataclass
class Step:
    """One line of the report."""

    section: str
    name: str
    status: str = "ok"
    """ok, failed or left out."""
    seconds: float = 0
    details: list[str] = field(default_factory=list)


class Record:
    """The steps, each printed when it ends."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._section = ""

    @property
    def failures(self) -> list[Step]:
        return [step for step in self.steps if step.status == "failed"]

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Steps that build on each other: the first that fails ends the section, but not the run."""
        self._begin(name)
        try:
            yield
        except _Failed:
            self.left_out(f"the rest of {name}", f"{self.failures[-1].name!r} failed")

    @contextmanager
    def attempt(self, section: str, name: str) -> Iterator[Note]:
        """A step of a section whose other steps are tried even if this one fails."""
        self._begin(section)
        with suppress(_Failed), self.step(name) as note:
            yield note

    def _begin(self, section: str) -> None:
        if section != self._section:
            print(f"{section}:", flush=True)
        self._section = section

    @contextmanager
    def step(self, name: str) -> Iterator[Note]:
        """Takes the time of a step. It yields what notes a detail of it."""
        step = Step(self._section, name)
        start = time.monotonic()
        try:
            yield step.details.append
        except (Exception, KeyboardInterrupt) as error:
            step.status = "failed"
            step.details.append(_in_one_line(error))
            if isinstance(error, KeyboardInterrupt):
                raise
            raise _Failed from error
        finally:
            step.seconds = time.monotonic() - start
            self._add(step)

    def left_out(self, name: str, reason: str) -> None:
        self._add(Step(self._section, name, "left out", details=[reason]))

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        details = f": {'; '.join(step.details)}" if step.details else ""
        print(f"  {step.status:<8} {step.seconds:6.1f} s  {step.name}{details}", flush=True)

    def table(self, section: str) -> str:
        """The steps of a section."""
        rows = [
            (step.name, step.status, f"{step.seconds:.1f}", "; ".join(step.details))
            for step in self.steps
            if step.section == section
        ]
        return table(("step", "status", "seconds", "details"), rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; `none` in place of an empty one."""
    if not rows:
        return "none"
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(text.replace('|', chr(92) + '|') for text in line)} |" for line in lines)


def _in_one_line(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    told = isinstance(error, Problem | ClientError)
    text = " ".join(str(error).split()) or "no reason given"
    return text[:300] if told else f"{type(error).__name__}: {text[:300]}"
