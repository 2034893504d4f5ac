"""`exec`: a stack of its own for one command, such as the tests."""

import os
import sys
import tempfile
from pathlib import Path

import admin
import processes
import stack
from build import build
from progress import phase
from project import LOGS, STATE, shown


def execute(command: list[str], with_tests: bool, faulty: bool) -> int:
    """Runs the command with the stack's coordinates in its environment and returns its exit status.

    `with_tests` builds the tests together with the functions; `faulty` leads the functions through the command.
    """
    logs = LOGS / ("faulty" if faulty else "exec")
    STATE.mkdir(parents=True, exist_ok=True)
    with phase("build", "everything, with tests" if with_tests else "the functions and the stub CMS"):
        build(with_tests)
    port, cms_port, *others = processes.free_ports(4 if faulty else 2)
    detour = stack.Detour(*others) if faulty else None
    with (
        tempfile.TemporaryDirectory(prefix="exec-", dir=STATE, ignore_cleanup_errors=True) as state,
        stack.started(port, f"127.0.0.1:{cms_port}", Path(state), logs, detour) as running,
        phase("exec", " ".join(command)),
    ):
        # In a faulty stack no function works before the command does.
        somebody = admin.created(running) if faulty else admin.signed_in(running)
        coordinates = running.coordinates() | somebody.coordinates()
        status = processes.run(command, os.environ | coordinates)
        if status:
            print(f"exec: status {status}; the stack's logs are in {shown(logs)}/", file=sys.stderr)
        return status
