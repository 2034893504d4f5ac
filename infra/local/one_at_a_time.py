"""One `run` at a time, and how to end it from elsewhere.

The file holds the runner's id; that it is locked says that the runner lives. A lock ends with its process, so nothing
goes stale, and no foreign process that got the same id is ever stopped. The session file holds a token. A runner that
is killed (kill -9) leaves it behind, so it counts only while the lock is held; whoever finds the lock free removes it.
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
SESSION = STATE / "session.json"


@contextmanager
def only_run() -> Iterator[None]:
    """Holds the place of the one runner; a problem if it is taken."""
    STATE.mkdir(parents=True, exist_ok=True)
    with PID_FILE.open("a+") as file:
        if not _lock(file):
            raise Problem(f"already running (pid {_pid(file)}): make stop")
        SESSION.unlink(missing_ok=True)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def stop() -> None:
    """Ends the runner, if there is one, waits until it has gone, and removes its session."""
    if not is_running():
        return
    with PID_FILE.open("a+") as file:
        for sent, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
            if _ended(file):
                return
            os.kill(_pid(file), sent)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if _ended(file):
                    print("stopped")
                    return
                time.sleep(0.05)
        raise Problem(f"pid {_pid(file)} does not end")


def is_running() -> bool:
    """Whether the runner lives. The session of one that does not is removed."""
    if not STATE.exists():
        return False
    with PID_FILE.open("a+") as file:
        return not _ended(file)


def _ended(file: TextIOWrapper) -> bool:
    """Whether the runner has ended, so that its session is removed."""
    if not _lock(file):
        return False
    SESSION.unlink(missing_ok=True)
    return True


def _lock(file: TextIOWrapper) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid(file: TextIOWrapper) -> int:
    file.seek(0)
    return int(file.read())
