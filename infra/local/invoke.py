"""`invoke`: one of the watched functions, with an event from a file."""

import os
from pathlib import Path

import session
from project import Problem

_PLACEHOLDER = "<TOKEN>"


def invoke(function: str, event: str) -> None:
    """Becomes `cargo lambda invoke`, with the administrator's token where the event has a place for it."""
    running = session.current()
    if running.watch_port is None:
        raise Problem("the emulator runs the functions: `make watch` instead of `make run`, then they can be invoked")
    try:
        payload = Path(event).read_text()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise Problem(f"{event}: {reason}: name a file, such as events/api-gateway-create-brand.json") from None
    address = ("--invoke-address", "127.0.0.1", "--invoke-port", str(running.watch_port))
    payload = payload.replace(_PLACEHOLDER, running.token)
    os.execvp("cargo", ["cargo", "lambda", "invoke", function, *address, "--data-ascii", payload])
