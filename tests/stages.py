"""Runs commands side by side, since tests mostly wait: python3 -B tests/stages.py NAME COMMAND [NAME COMMAND…]

Each command is a line for the shell. The stages start in this order, three at a time. A stage's output is printed when
the stage ends; until then, a line every half minute shows the last line of each that runs. The first stage that fails
ends the others, and its status is returned. Ctrl-C ends all.
"""

import os
import resource
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).resolve().parents[1] / "infra" / "local"))
sys.dont_write_bytecode = True  # no __pycache__ among the sources

from processes import Process  # noqa: E402
from project import TARGET, shown  # noqa: E402

AT_ONCE = 3
LOGS = TARGET / "stages"
NEWS_SECONDS = 30
GRACE_SECONDS = 20  # a stack ends in order within it


class Stage(NamedTuple):
    """A stage that runs."""

    process: Process
    log: Path
    start: float

    def seconds(self) -> str:
        return f"{time.monotonic() - self.start:.0f} s"

    def last_line(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def run(commands: list[tuple[str, str]]) -> int:
    """Returns the exit status: 0, or that of the first stage that failed."""
    LOGS.mkdir(parents=True, exist_ok=True)
    waiting, running, news = commands[::-1], list[Stage](), time.monotonic()
    with ExitStack() as exits:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                running.append(_started(*waiting.pop(), exits))
            for stage in running[:]:
                before = _processor_seconds()
                status = stage.process.poll()
                if status is None:
                    continue
                running.remove(stage)
                verdict = f"failed with status {status}" if status else "passed"
                used = _processor_seconds() - before
                _say(f"\n---- {stage.process.name} {verdict} after {stage.seconds()} (processor {used:.0f} s):")
                sys.stdout.buffer.write(stage.log.read_bytes())
                if status:
                    others = ", ".join(f"{one.process.name} (output: {shown(one.log)})" for one in running)
                    _say(f"\n---- {stage.process.name} failed; ended: {others or 'nothing else'}")
                    return status
            if time.monotonic() > news + NEWS_SECONDS:
                news = time.monotonic()
                for stage in running:
                    _say(f"---- {stage.process.name}, {stage.seconds()}: {stage.last_line()[:100]}")
            time.sleep(0.1)
    return 0


def _started(name: str, command: str, exits: ExitStack) -> Stage:
    _say(f"---- {name} starts")
    log = LOGS / f"{name}.log"
    process = exits.enter_context(Process(name, ["sh", "-ec", command], os.environ, log, GRACE_SECONDS))
    return Stage(process, log, time.monotonic())


def _processor_seconds() -> float:
    """What the stages that have ended used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    for sent in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sent, signal.default_int_handler)  # unwinds as at Ctrl-C
    words = sys.argv[1:]
    if not words or len(words) % 2:
        sys.exit("stages: NAME COMMAND [NAME COMMAND…]")
    try:
        sys.exit(run(list(zip(words[::2], words[1::2], strict=True))))
    except KeyboardInterrupt:
        sys.exit(130)
