"""Following what the functions and the stub CMS log, as lines for a terminal.

The functions' lines come from CloudWatch Logs, which has them when an invocation ends; the stub's come from its output at once.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError

# Lambda's own lines: the start, the end and the bill of each invocation.
_PLATFORM = re.compile(r"(START|END|REPORT|INIT_START) ")


class FunctionLog:
    """One log group, read on from where the last reading ended.

    The emulator gives its events no ids, but writes each invocation's lines at once, into a stream of their own: so a stream
    is read once, and whole.
    """

    def __init__(self, logs: Any, group: str) -> None:
        self._logs = logs
        self._group = group
        self._since = 0
        self._read: set[str] = set()

    def read(self) -> Iterator[str]:
        """The lines since the last reading."""
        try:
            events = self._logs.filter_log_events(logGroupName=self._group, startTime=self._since)["events"]
        except BotoCoreError:
            return  # no answer; whether the emulator lives is for others to check
        new = [event for event in events if event["logStreamName"] not in self._read]
        for event in new:
            self._read.add(event["logStreamName"])
            # The time is taken before the writing: a second back, an event that was being written is found the next time.
            self._since = max(self._since, event["timestamp"] - 1000)
            if not _PLATFORM.match(event["message"]):
                yield readable(event["message"])


class ProcessLog:
    """A process's output, read on from where the last reading ended."""

    def __init__(self, file: Path, label: str) -> None:
        self._file = file.open("rb")
        self._label = label
        self._rest = b""

    def read(self) -> Iterator[str]:
        """The whole lines since the last reading."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            yield f"{self._label + ':':<8} {line.decode(errors='replace')}"


def readable(line: str) -> str:
    """A JSON log line as Medusa prints it, `info:    message`, with the other fields behind; any other line as it is."""
    try:
        entry = json.loads(line)
        fields = dict(entry["fields"])
        message, level = fields.pop("message"), entry["level"].lower()
    except (ValueError, KeyError, TypeError, AttributeError):
        return line
    more = "" if level == "info" else "".join(f" {name}={value}" for name, value in fields.items())
    return f"{level + ':':<8} {message}{more}"
