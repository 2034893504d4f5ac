"""`exec`: a stack of its own for one command, such as the tests."""

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import admin
import cms
import processes
import stack
from build import BUILT, build, copied
from places import of_an_own_stack as own_places
from progress import phase
from project import LOGS, ROOT, STATE, shown


def execute(command: list[str], *, with_tests: bool, built: bool, faulty: bool, watched: bool, name: str) -> int:
    """Runs the command with the stack's coordinates in its environment and returns its exit status.

    `with_tests` builds the tests together with the functions, `built` builds nothing; `faulty` leads the functions
    through the command; `watched` has `cargo lambda watch` run them. `name` names the folder of the stack's logs.
    """
    # The fault test has rules for the stub, so it always gets that, and as the template has it.
    variables = {} if faulty else os.environ
    chosen = cms.of_the_developer(variables)
    logs = LOGS / name
    STATE.mkdir(parents=True, exist_ok=True)
    if not built:
        with phase("build", "everything, with tests" if with_tests else "the functions and the stub CMS"):
            build(with_tests)
    with ExitStack() as exits:
        state = exits.enter_context(tempfile.TemporaryDirectory(prefix="exec-", dir=STATE, ignore_cleanup_errors=True))
        places, (cms_port, *others) = own_places(Path(state), logs, watched)
        detour = stack.Detour(*others) if faulty else None
        chosen = chosen or cms.stub(f"127.0.0.1:{cms_port}", cms.options(variables))
        running = exits.enter_context(stack.started(places, chosen, stack.SHORT_WAITS, detour))
        exits.enter_context(phase("exec", " ".join(command)))
        # Nobody can sign in before the command leads the functions on.
        someone = admin.created(running) if faulty else admin.signed_in(running)
        coordinates = running.coordinates() | someone.coordinates()
        if (ROOT / command[0]).is_relative_to(BUILT):
            command = [copied(ROOT / command[0], Path(state)), *command[1:]]
        status = processes.run(command, os.environ | coordinates)
        if status:
            print(f"exec: status {status}; the stack's logs are in {shown(logs)}/", file=sys.stderr)
        return status
