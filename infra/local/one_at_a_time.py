"""One `run` at a time, and how to end it from elsewhere.

The file holds the runner's id; that it is locked says that the runner lives. A lock ends with its process, so nothing
goes stale, and no foreign process that got the same id is ever stopped.
"""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

from project import STATE, Problem

PID_FILE = STATE / "run.pid"


@contextmanager
def only_run() -> Iterator[None]:
    """Holds the place of the one runner; a problem if it is taken."""
    STATE.mkdir(parents=True, exist_ok=True)
    with PID_FILE.open("a+") as file:
        if not _lock(file):
            raise Problem(f"already running (pid {_pid(file)}): make stop")
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def stop() -> None:
    """Ends the runner, if there is one, and waits until it has gone."""
    if not PID_FILE.exists():
        return
    with PID_FILE.open("a+") as file:
        for sent, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
            if _lock(file):
                return
            os.kill(_pid(file), sent)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if _lock(file):
                    print("stopped")
                    return
                time.sleep(0.05)
        raise Problem(f"pid {_pid(file)} does not end")


def _lock(file: TextIOWrapper) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid(file: TextIOWrapper) -> int:
    file.seek(0)
    return int(file.read())
