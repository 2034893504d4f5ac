"""`invoke`: one of the watched functions, with an event from a file."""

import subprocess
import tempfile
from pathlib import Path

import session
import template
from project import Problem

_PLACEHOLDER = "<TOKEN>"


def invoke(function: str, event: str) -> int:
    """Runs `cargo lambda invoke`, with the administrator's token where the event has a place for it; its exit status."""
    running = session.current()
    if running.watch_port is None:
        raise Problem("the emulator runs the functions: `make watch` instead of `make run`, then they can be invoked")
    if function not in (known := template.functions().values()):
        raise Problem(f"{function}: no such function: choose one of {', '.join(known)}")
    try:
        payload = Path(event).read_text()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise Problem(f"{event}: {reason}: name a file, such as events/api-gateway-create-brand.json") from None
    address = ("--invoke-address", "127.0.0.1", "--invoke-port", str(running.watch_port))
    # In a file that only this user can read: an argument has a limited length, and every user of the machine sees it.
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(payload.replace(_PLACEHOLDER, running.token))
        file.flush()
        return subprocess.run(["cargo", "lambda", "invoke", function, *address, "--data-file", file.name]).returncode
