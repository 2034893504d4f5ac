"""Runs one command and ends it, with all it started, when whoever asked for it is gone.

A runner that is killed outright (kill -9) cannot stop what it started. So it starts everything through a guard and
holds the other end of the guard's stdin: when the runner ends, in whatever way, that pipe closes, and the guard ends
the command's whole process group.

    python guard.py GRACE COMMAND...    GRACE: seconds between asking (SIGTERM) and killing; 0 kills at once
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress


def main(grace: float, command: list[str]) -> int:
    """Returns the command's exit status, as a shell gives it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    threading.Thread(target=end_when_abandoned, daemon=True).start()
    try:
        status = child.wait()
        return status if status >= 0 else 128 - status
    finally:
        end_group(child, grace)


def end_when_abandoned() -> None:
    """Waits for the end of stdin, then has the main thread leave its wait."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


def end_group(child: "subprocess.Popen[bytes]", grace: float) -> None:
    """Ends the child, if it still runs, and whatever it left behind in its group."""
    try:
        if grace and child.poll() is None:
            os.killpg(child.pid, signal.SIGTERM)
            child.wait(grace)
    except (subprocess.TimeoutExpired, ProcessLookupError):
        pass
    finally:
        with suppress(ProcessLookupError, PermissionError):  # macOS says "not permitted" of a group of zombies
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
