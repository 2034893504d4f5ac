"""Where a stack is: its ports and folders, and which emulator it has."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import processes
from project import LOGS, STATE, Problem

_EMULATORS = ("ministack", "localstack")


@dataclass(frozen=True)
class Places:
    """One stack's."""

    port: int
    state: Path
    """For the emulator's files."""
    logs: Path
    watch_port: int | None = None
    """Where the functions are invoked, if `cargo lambda watch` runs them; else the emulator does."""

    @property
    def on_localstack(self) -> bool:
        """Whether the emulator is LocalStack."""
        return _emulator() == "localstack"

    @property
    def endpoint(self) -> str:
        """Where AWS is found."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def watch_url(self) -> str | None:
        """Where the watched functions are found, and their API."""
        return f"http://127.0.0.1:{self.watch_port}" if self.watch_port else None


def of_the_one_run(watched: bool) -> Places:
    """Those of `run` and `watch`, as the developer chose them; a problem if a port is taken."""
    if _emulator() == "localstack" and not watched:
        raise Problem("on LocalStack the functions run under `cargo lambda watch`: STACK=localstack make watch")
    places = Places(default_port(), STATE / "run", LOGS / "run")
    processes.check_port(places.port, "LOCAL_PORT", "4567")
    if watched:
        places = replace(places, watch_port=processes.port("WATCH_PORT", os.environ.get("WATCH_PORT", "9000")))
        processes.check_port(places.watch_port or 0, "WATCH_PORT", "9001")
    return places


def of_an_own_stack(state: Path, logs: Path, watched: bool) -> tuple[Places, list[int]]:
    """Those of a stack beside others, on free ports; and three ports more."""
    port, watch_port, *others = processes.free_ports(5)
    on_watch = watched or _emulator() == "localstack"
    return Places(port, state, logs, watch_port if on_watch else None), others


def default_port() -> int:
    """The port that `run` and `watch` give the emulator."""
    return processes.port("LOCAL_PORT", os.environ.get("LOCAL_PORT", "4566"))


def _emulator() -> str:
    name = os.environ.get("STACK", _EMULATORS[0])
    if name not in _EMULATORS:
        raise Problem(f"STACK={name}: choose one of {', '.join(_EMULATORS)}")
    return name
