"""Following what the parts of a stack log, as lines for a terminal.

Where the emulator runs the functions, their lines come from CloudWatch Logs, which has them when an invocation ends;
all others come from files.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError

# Not for people: Lambda's own lines about each invocation, metrics, which CloudWatch takes from the log, and that the
# cargos of several functions wait for each other.
_NOT_SHOWN = re.compile(r'(START|END|REPORT|INIT_START) |\{"_aws":| *Blocking')
# What a span says of its lines, outermost first. The runtime's own fields, a request's ids, are for machines.
_SPAN_FIELDS = ("run", "message", "step", "attempt")


@dataclass(frozen=True)
class Line:
    """A line as it was logged, and by what."""

    source: str
    text: str
    logged: str = ""
    """When, if that is known: an RFC 3339 timestamp."""

    @property
    def entry(self) -> dict[str, Any] | None:
        """The line's fields, if it is of the functions' form."""
        try:
            entry = json.loads(self.text)
        except ValueError:
            return None
        is_ours = isinstance(entry, dict) and isinstance(entry.get("fields"), dict) and "level" in entry
        return entry if is_ours else None

    @property
    def time(self) -> str:
        """When it was logged, as the line says or else as is known; empty where neither is."""
        return str((self.entry or {}).get("timestamp", self.logged))


class Log(Protocol):
    """Something that logs."""

    def read(self) -> list[Line]:
        """The lines since the last reading."""
        ...


class FunctionLog:
    """One log group, read on from where the last reading ended.

    The emulator gives its events no ids, but writes each invocation's lines at once, into a stream of their own: so a
    stream is read once, and whole.
    """

    def __init__(self, logs: Any, function: str, group: str) -> None:
        self._logs = logs
        self._function = function
        self._group = group
        self._since = 0
        self._read: set[str] = set()

    def read(self) -> list[Line]:
        """The lines since the last reading."""
        try:
            events = self._logs.filter_log_events(logGroupName=self._group, startTime=self._since)["events"]
        except BotoCoreError:
            return []  # no answer; whether the emulator lives is for others to check
        new = [event for event in events if event["logStreamName"] not in self._read]
        self._read.update(event["logStreamName"] for event in new)
        # The emulator takes the time before it writes: a second back, what was being written is found the next time.
        self._since = max([self._since, *(event["timestamp"] - 1000 for event in new)])
        lines = (Line(self._function, event["message"], _timestamp(event["timestamp"])) for event in new)
        return [line for line in lines if not _NOT_SHOWN.match(line.text)]


class FileLog:
    """What a process writes to a file, read on from where the last reading ended; only whole lines.

    A line without a time, such as a panic's, gets the time of the line before it.
    """

    def __init__(self, file: Path, source: str) -> None:
        self._file = file
        self._source = source
        self._place = 0
        self._time = ""

    def read(self) -> list[Line]:
        """The lines since the last reading; none while there is no file."""
        try:
            with self._file.open("rb") as file:
                file.seek(self._place)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._place += len(whole) + len(newline)
        lines = (self._line(text) for text in whole.decode(errors="replace").split("\n") if newline)
        return [line for line in lines if not _NOT_SHOWN.match(line.text)]

    def _line(self, text: str) -> Line:
        line = Line(self._source, text, self._time)
        self._time = line.time
        return line


def as_medusa(line: Line) -> str:
    """The line as Medusa prints it, `info:    message`; what is no good news has its other fields behind it.

    A line of the CMS bears a label of its own, and only the first of what it logged at once.
    """
    if line.source == "cms":
        return re.sub(r"^(info|warn|error): ", "cms:     ", line.text)
    entry = line.entry
    if not entry:
        return line.text
    fields = dict(entry["fields"])
    level, message = entry["level"].lower(), fields.pop("message", "")
    more = "" if level == "info" else _fields(fields)
    return f"{level + ':':<8} {message}{more}"


def in_full(line: Line) -> str:
    """The line with its time, level and source, with what its spans say and all its fields."""
    entry, time = line.entry, line.time[11:23]
    if not entry:
        return f"{time:<12} {'':5} {line.source:<16} {line.text}"
    fields = dict(entry["fields"])
    message = fields.pop("message", "")
    spans: dict[str, Any] = {}
    for span in [*entry.get("spans", []), entry.get("span", {})]:  # the innermost last: what it says counts
        spans |= span
    about = "".join(f"{name}={spans[name]} " for name in _SPAN_FIELDS if name in spans)
    return f"{time:<12} {entry['level'].lower():<5} {line.source:<16} {about}{message}{_fields(fields)}"


def _timestamp(millis: int) -> str:
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds")


def _fields(fields: dict[str, Any]) -> str:
    return "".join(f" {name}={value}" for name, value in fields.items())
