"""Following what the functions and the stub CMS log, as lines for a terminal.

The functions' lines come from CloudWatch Logs, which has them when an invocation ends; the stub's from its output.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError

# Not for people: Lambda's own lines about each invocation, and metrics, which CloudWatch takes from the log.
_NOT_SHOWN = re.compile(r'(START|END|REPORT|INIT_START) |\{"_aws":')


class FunctionLog:
    """One log group, read on from where the last reading ended.

    The emulator gives its events no ids, but writes each invocation's lines at once, into a stream of their own: so a
    stream is read once, and whole.
    """

    def __init__(self, logs: Any, group: str) -> None:
        self._logs = logs
        self._group = group
        self._since = 0
        self._read: set[str] = set()

    def read(self) -> list[str]:
        """The lines since the last reading."""
        try:
            events = self._logs.filter_log_events(logGroupName=self._group, startTime=self._since)["events"]
        except BotoCoreError:
            return []  # no answer; whether the emulator lives is for others to check
        new = [event for event in events if event["logStreamName"] not in self._read]
        self._read.update(event["logStreamName"] for event in new)
        # The emulator takes the time before it writes: a second back, what was being written is found the next time.
        self._since = max([self._since, *(event["timestamp"] - 1000 for event in new)])
        return [readable(event["message"]) for event in new if not _NOT_SHOWN.match(event["message"])]


class CmsLog:
    """The stub CMS's output, read on from where the last reading ended."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("rb")
        self._file.seek(0, os.SEEK_END)
        self._rest = b""

    def read(self) -> list[str]:
        """The whole lines since the last reading; only the first of what was logged at once bears a label."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [re.sub(r"^(info|warn|error): ", "cms:     ", line.decode(errors="replace")) for line in lines]


def readable(line: str) -> str:
    """A JSON log line as Medusa prints it, `info:    message`; what is no good news has its other fields behind it."""
    try:
        entry = json.loads(line)
        fields = dict(entry["fields"])
        message, level = fields.pop("message"), entry["level"].lower()
    except (ValueError, KeyError, TypeError, AttributeError):
        return line
    more = "" if level == "info" else "".join(f" {name}={value}" for name, value in fields.items())
    return f"{level + ':':<8} {message}{more}"
