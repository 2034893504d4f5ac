"""`logs`: what the parts of a `run` or `watch` log, line by line, in another terminal."""

import os
import sys
import time
from pathlib import Path

import bridge
import deploy
import session
import template
import watch
from botocore.exceptions import BotoCoreError, ClientError

from logs import FileLog, FunctionLog, Log, in_full, in_order
from project import LOGS, Problem

_LOGS = LOGS / "run"
_CMS = "cms"


def follow(function: str | None) -> None:
    """Prints what was logged so far and then what is new, until Ctrl-C or until what logs has ended."""
    running = session.current()
    try:
        logs = of_session(running)
    except (BotoCoreError, ClientError) as error:
        raise Problem(f"the emulator does not answer: make stop, then `make run` once more ({error})") from error
    if function and function not in logs:
        raise Problem(f"{function}: no such log: choose one of {', '.join(logs)}")
    chosen = [logs[function]] if function else list(logs.values())
    if running.watch_port is None:
        print("The lines of an invocation appear when it has ended.", file=sys.stderr)
    try:
        while True:
            for line in in_order(chosen):
                print(in_full(line), flush=True)
            if not session.is_current():
                print("ended")
                return
            time.sleep(0.5)
    except KeyboardInterrupt:
        print()
    except BrokenPipeError:  # as of `make logs | head`; what Python would still write at its end goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def of_session(running: session.Session) -> dict[str, Log]:
    """All logs, by the name of what logs: a function's; if there are any, `cms` (the stub), `cargo` and `bridge`."""
    of_cms: dict[str, Log] = {_CMS: cms_log(_LOGS)} if running.has_stub_cms else {}
    if running.watch_port is None:
        client = deploy.clients(running.endpoint)
        of_functions: dict[str, Log] = {
            name: FunctionLog(client("logs"), name, group) for name, group in deploy.log_groups(client).items()
        }
        return of_functions | of_cms
    return watched_logs(_LOGS) | of_cms


def watched_logs(logs: Path) -> dict[str, Log]:
    """Those of functions that are watched, and of what watches and drives them."""
    names = template.functions().values()
    return {
        **{name: FileLog(logs / watch.FUNCTION_LOGS / f"{name}.log", name) for name in names},
        "cargo": FileLog(logs / watch.LOG, "cargo"),
        "bridge": FileLog(logs / bridge.LOG, "bridge"),
    }


def cms_log(logs: Path) -> FileLog:
    """That of the stub CMS."""
    return FileLog(logs / "cms-stub.log", _CMS)
