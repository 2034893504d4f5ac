"""Runs one command and ends it, with all it started, when whoever asked for it is gone.

A runner that is killed outright (kill -9) cannot stop what it started. So it starts everything through a guard and
holds the other end of the guard's stdin: when the runner ends, in whatever way, that pipe closes, and the guard ends
the command's whole process group. On Linux also what left that group, as the functions of `cargo lambda watch` do.

    python guard.py GRACE COMMAND...    GRACE: seconds between asking (SIGTERM) and killing; 0 kills at once
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def main(grace: float, command: list[str]) -> int:
    """Returns the command's exit status, as a shell gives it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if sys.platform == "linux":
        # Whoever loses its parent among the command's descendants becomes a child of this process.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    try:
        threading.Thread(target=end_when_abandoned, daemon=True).start()  # it may interrupt this at once
        status = end_of(child)
        return status if status >= 0 else 128 - status
    finally:
        end_group(child, grace)
        end_orphans()


def end_when_abandoned() -> None:
    """Waits for the end of stdin, then has the main thread leave its wait."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


def end_of(child: "subprocess.Popen[bytes]") -> int:
    """Waits for the child's end; orphans that end before it are not kept."""
    if sys.platform == "linux":
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)) and ended.si_pid != child.pid:
            os.waitpid(ended.si_pid, 0)
    return child.wait()


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


def end_orphans() -> None:
    """Kills what the command left behind outside its group: there it leads groups of its own."""
    while orphans := children():
        for orphan in orphans:
            for kill in (os.killpg, os.kill):
                with suppress(ProcessLookupError, PermissionError):
                    kill(orphan, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(orphan, 0)


def children() -> list[int]:
    """This process's children, as Linux tells them; none elsewhere."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # pid (name) state parent …: the name may hold anything.
            pid, (_, parent) = status.parent.name, status.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid():
                found.append(int(pid))
    return found


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
