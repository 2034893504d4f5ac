"""What a `run` or `watch` that goes on tells the commands that are typed in another terminal."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import one_at_a_time
import places
from project import Problem


@dataclass(frozen=True)
class Session:
    """Where it is, and as whom it is used."""

    endpoint: str
    outputs: dict[str, str]
    token: str
    has_stub_cms: bool
    watch_port: int | None
    """Where the functions are invoked, if they are watched: their logs are in files then, and in CloudWatch else."""


@contextmanager
def told(session: Session) -> Iterator[None]:
    """Tells it as long as the context lasts. The file holds a token: only its owner may read it."""
    file = one_at_a_time.SESSION
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps(asdict(session)))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def current() -> Session:
    """What is told; a problem if nothing is."""
    if not is_current():
        raise Problem("nothing runs here: `make run` or `make watch` first, and wait until it is ready")
    return Session(**json.loads(one_at_a_time.SESSION.read_text()))


def is_current() -> bool:
    """Whether something is told, by a runner that lives."""
    return one_at_a_time.is_running() and one_at_a_time.SESSION.exists()


def endpoint() -> str:
    """The endpoint of AWS: at LOCAL_PORT if that is set, else the running stack's, else at the default port."""
    if "LOCAL_PORT" not in os.environ and is_current():
        return current().endpoint
    return f"http://127.0.0.1:{places.default_port()}"
