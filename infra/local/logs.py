"""Following what the parts of a stack log, as lines for a terminal.

Where the emulator runs the functions, their lines come from CloudWatch Logs, which has them when an invocation ends;
all others come from files.
"""

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

# Not for people: Lambda's own lines about each invocation, metrics, which CloudWatch takes from the log, and that the
# cargos of several functions wait for each other and have finished.
_NOT_SHOWN = re.compile(r'(START|END|REPORT|INIT_START) |\{"_aws":| *(Blocking|Finished|waiting for file lock)')
# Cargo starts a function that it has built (watch.py). Until then the old process answers.
_STARTED = re.compile(r" *Running `sh \S*watched\.sh \S*/(\S+)`")
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

    @property
    def moment(self) -> str:
        """The time as a sort key. Precision and the spelling of UTC make no difference."""
        return self.time.rstrip("Z").partition("+")[0]


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
        except (BotoCoreError, ClientError):
            return []  # no answer; whether the emulator lives is for others to check
        new = [event for event in events if event["logStreamName"] not in self._read]
        self._read.update(event["logStreamName"] for event in new)
        # The emulator takes the time before it writes: a second back, what was being written is found the next time.
        self._since = max([self._since, *(event["timestamp"] - 1000 for event in new)])
        streams: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for event in new:
            streams[event["logStreamName"]].append(event)
        return [
            line
            for events in streams.values()
            for line in _lines(
                self._function, (event["message"] for event in events), _timestamp(events[0]["timestamp"] / 1000)
            )
        ]


class FileLog:
    """What a process writes to a file, read on from where the last reading ended; only whole lines."""

    def __init__(self, file: Path, source: str) -> None:
        self._file = file
        self._source = source
        self._place = 0
        self._is_followed = False

    def read(self) -> list[Line]:
        """The lines since the last reading; none until the file exists. Those of the first reading get no time."""
        now = _timestamp(time.time()) if self._is_followed else ""
        self._is_followed = True
        try:
            with self._file.open("rb") as file:
                file.seek(self._place)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._place += len(whole) + len(newline)
        return _lines(self._source, whole.decode(errors="replace").split("\n") if newline else (), now)


def _lines(source: str, texts: Iterable[str], logged: str) -> list[Line]:
    """The lines to show. A line without a time gets that of the line before it, the first line gets `logged`."""
    lines = []
    for text in texts:
        line = Line(source, text, logged)
        logged = line.time
        if not _NOT_SHOWN.match(text):
            lines.append(line)
    return lines


def in_order(logs: Iterable[Log]) -> list[Line]:
    """The new lines of all logs, in the order of their times."""
    return sorted((line for log in logs for line in log.read()), key=lambda line: line.moment)


def as_medusa(line: Line) -> str:
    """The line as Medusa prints it, `info:    message`; what is no good news has its other fields behind it.

    A line of the CMS bears a label of its own, and only the first of what it logged at once.
    """
    if line.source == "cms":
        return re.sub(r"^(info|warn|error): ", "cms:     ", line.text)
    if started := _started(line):
        return f"ready:   {started}"
    entry = line.entry
    if not entry:
        return line.text
    fields = dict(entry["fields"])
    level, message = entry["level"].lower(), fields.pop("message", "")
    more = "" if level == "info" else _fields(fields)
    return f"{level + ':':<8} {message}{more}"


def in_full(line: Line) -> str:
    """The line with its time, level and source, with what its spans say and all its fields."""
    entry, clock = line.entry, line.time[11:23]
    if not entry:
        return f"{clock:<12} {'':5} {line.source:<16} {_started(line) or line.text}"
    fields = dict(entry["fields"])
    message = fields.pop("message", "")
    spans: dict[str, Any] = {}
    for span in [*entry.get("spans", []), entry.get("span", {})]:  # the innermost last: what it says counts
        spans |= span
    about = "".join(f"{name}={spans[name]} " for name in _SPAN_FIELDS if name in spans)
    return f"{clock:<12} {entry['level'].lower():<5} {line.source:<16} {about}{message}{_fields(fields)}"


def _started(line: Line) -> str | None:
    """The message about a function that was started from its new build."""
    started = _STARTED.fullmatch(line.text) if line.source == "cargo" else None
    return f"{started[1]} runs its newest build" if started else None


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _fields(fields: dict[str, Any]) -> str:
    return "".join(f" {name}={value}" for name, value in fields.items())
