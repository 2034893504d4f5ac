"""Evidence from a stack, as tables: Lambda's reports of invocations, the functions' warnings and errors, the alarms."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median, quantiles
from typing import Any

from record import table
from removal import Resource
from stacks import Target

NOT_REPORTED = "not reported"
_TEXT = re.compile(
    r"REPORT RequestId: \S+\s+Duration: (?P<duration>[\d.]+) ms\s+Billed Duration: [\d.]+ ms\s+"
    r"Memory Size: (?P<size>\d+) MB\s+Max Memory Used: (?P<used>\d+) MB"
    r"(\s+Init Duration: (?P<init>[\d.]+) ms)?(.*Status: (?P<status>\w+))?",
    re.DOTALL,
)
# The first fires for a new stack, the second in some outages of more than 15 minutes.
_MAY_FIRE = {"RepublishSilentAlarm", "OldestDueAlarm"}
_FIRE_IN_AN_OUTAGE = {"CircuitOpenAlarm"}
_OUTAGE = 18  # minutes: the alarm's threshold (15), the interval between sweeps and the metric's period


@dataclass(frozen=True)
class Invocation:
    """One invocation, as Lambda reports it; times in milliseconds, memory in MB."""

    duration: float
    init: float | None
    used: int
    size: int
    succeeded: bool


def invocation_of(message: str) -> Invocation | None:
    """Parses Lambda's report of an invocation, in JSON or as text; None for any other log event."""
    if found := _TEXT.match(message):
        init = float(found["init"]) if found["init"] else None
        return Invocation(float(found["duration"]), init, int(found["used"]), int(found["size"]), not found["status"])
    event = _parsed(message)
    if event.get("type") != "platform.report":
        return None
    record = event["record"]
    metrics = record["metrics"]
    return Invocation(
        metrics["durationMs"],
        metrics.get("initDurationMs"),
        metrics["maxMemoryUsedMB"],
        metrics["memorySizeMB"],
        record.get("status") == "success",
    )


def functions(target: Target, resources: Sequence[Resource]) -> tuple[str, str]:
    """Returns two tables: the functions' invocations, and the warnings and errors that they logged."""
    ran, logged = [], []
    for group in resources:
        name = group.name.removesuffix("LogGroup")
        if group.type != "AWS::Logs::LogGroup" or name == "HttpApi":  # HttpApi: the access log
            continue
        messages = list(_messages(target, group.id))
        ran.append((name, *summary([one for one in map(invocation_of, messages) if one])))
        logged += [(name, *row) for row in problems(messages)]
    heads = ("function", "invocations", "failed", "cold starts", "init: median, max", "duration: median, p95, max")
    return (
        table((*heads, "memory: most used, limit"), ran),
        table(("function", "level", "count", "first message"), logged),
    )


def summary(invocations: Sequence[Invocation]) -> tuple[str, ...]:
    """Returns a row of the table of invocations, without the function's name."""
    if not invocations:
        return ("0", *[NOT_REPORTED] * 5)
    durations = sorted(one.duration for one in invocations)
    inits = [one.init for one in invocations if one.init is not None]
    used, size = max(one.used for one in invocations), invocations[-1].size
    p95 = quantiles(durations, n=20, method="inclusive")[-1] if len(durations) > 1 else durations[0]
    return (
        str(len(invocations)),
        str(sum(not one.succeeded for one in invocations)),
        # The first invocation is a cold start, so a lack of init times means that they were not reported.
        str(len(inits)) if inits else NOT_REPORTED,
        f"{median(inits):.0f}, {max(inits):.0f} ms" if inits else NOT_REPORTED,
        f"{median(durations):.0f}, {p95:.0f}, {durations[-1]:.0f} ms",
        # The emulator reports 0 or another process's memory.
        f"{used} of {size} MB" if 0 < used <= size else NOT_REPORTED,
    )


def problems(messages: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yields the level, the number of lines and the first line's message, for warnings and for errors."""
    for level in ("WARN", "ERROR"):
        found = [event for event in map(_parsed, messages) if event.get("level") == level]
        if found:
            first = found[0].get("fields") or found[0]
            yield level, str(len(found)), " ".join(str(first.get("message", first)).split())[:160]


def alarms(target: Target, resources: Sequence[Resource], outage_minutes: int) -> tuple[str, list[str]]:
    """Returns a table of the alarms, and the alarms that fired or stayed silent unexpectedly."""
    names = {one.id: one.name for one in resources if one.type == "AWS::CloudWatch::Alarm"}
    client = target.client("cloudwatch")
    # Without names, CloudWatch would return all alarms of the account.
    found = client.describe_alarms(AlarmNames=list(names), MaxRecords=100)["MetricAlarms"] if names else []
    rows, fired = [], set()
    for alarm in sorted(found, key=lambda alarm: names[alarm["AlarmName"]]):
        changes = _changes(client, alarm["AlarmName"])
        if any(state == "ALARM" for _, state in changes) or alarm["StateValue"] == "ALARM":
            fired.add(names[alarm["AlarmName"]])
        history = ", ".join(f"{at:%H:%M:%S} {state}" for at, state in changes) or "none"
        rows.append((names[alarm["AlarmName"]], alarm["StateValue"], history))
    expected = _FIRE_IN_AN_OUTAGE if outage_minutes >= _OUTAGE else set()
    wrong = [f"{name} fired unexpectedly" for name in sorted(fired - expected - _MAY_FIRE)]
    wrong += [f"{name} did not fire" for name in sorted(expected - fired)]
    return table(("alarm", "state", "changes (UTC)"), rows), wrong


def _changes(client: Any, alarm: str) -> list[tuple[datetime, str]]:
    """Returns the alarm's state changes with their times, oldest first."""
    pages = client.get_paginator("describe_alarm_history").paginate(AlarmName=alarm, HistoryItemType="StateUpdate")
    items = [item for page in pages for item in page["AlarmHistoryItems"]]
    # A summary reads `Alarm updated from OK to ALARM`.
    changes = [(item["Timestamp"].astimezone(UTC), item["HistorySummary"].split()[-1]) for item in items]
    return sorted(changes)


def _messages(target: Target, group: str) -> Iterator[str]:
    pages = target.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    return (event["message"] for page in pages for event in page["events"])


def _parsed(message: str) -> dict[str, Any]:
    try:
        event = json.loads(message)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
