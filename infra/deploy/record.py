"""The steps of a first run and their outcomes, as tables in Markdown."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from project import Problem

Note = Callable[[str], None]


class _Failed(Exception):
    """A step failed and is recorded: the rest of its section is skipped."""


@dataclass
class Step:
    """One line of the report."""

    section: str
    name: str
    status: str = "ok"
    """ok, failed or skipped."""
    seconds: float = 0
    details: list[str] = field(default_factory=list)


class Record:
    """The steps of a run. Each is printed when it ends."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._section = ""

    @property
    def failures(self) -> list[Step]:
        return [step for step in self.steps if step.status == "failed"]

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """A section whose steps build on each other: a failed step ends the section, but not the run."""
        self._begin(name)
        try:
            yield
        except _Failed:
            self.skip(f"the rest of {name}", f"{self.failures[-1].name!r} failed")

    @contextmanager
    def attempt(self, section: str, name: str) -> Iterator[Note]:
        """A step of a section whose other steps run even if this one fails."""
        self._begin(section)
        with suppress(_Failed), self.step(name) as note:
            yield note

    def _begin(self, section: str) -> None:
        if section != self._section:
            print(f"{section}:", flush=True)
        self._section = section

    @contextmanager
    def step(self, name: str) -> Iterator[Note]:
        """Times a step and records its outcome. Yields a function that adds a detail to the report."""
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

    def skip(self, name: str, reason: str) -> None:
        self._add(Step(self._section, name, "skipped", details=[reason]))

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        details = f": {'; '.join(step.details)}" if step.details else ""
        print(f"  {step.status:<7} {step.seconds:6.1f} s  {step.name}{details}", flush=True)

    def table(self, section: str) -> str:
        """Returns a section's steps as a table."""
        rows = [
            (step.name, step.status, f"{step.seconds:.1f}", "; ".join(step.details))
            for step in self.steps
            if step.section == section
        ]
        return table(("step", "status", "seconds", "details"), rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table in Markdown, or `none` if it has no rows."""
    if not rows:
        return "none"
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(text.replace('|', chr(92) + '|') for text in line)} |" for line in lines)


def _in_one_line(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    is_self_explanatory = isinstance(error, Problem | ClientError)
    text = " ".join(str(error).split()) or "no reason given"
    return text[:300] if is_self_explanatory else f"{type(error).__name__}: {text[:300]}"
