"""Starting processes, none of which outlives this one, and waiting until they are ready."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from project import HERE, Problem, shown

Found = TypeVar("Found")


class Process(AbstractContextManager["Process"]):
    """A command under a guard (guard.py); leaving its context ends it and all it started."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
        grace: float = 0,
    ) -> None:
        self.name = name
        self.log = log
        self._grace = grace
        output = log.open("wb") if log else None
        try:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(HERE / "guard.py"), str(grace), *command],
                env=env,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,  # Ctrl-C in the terminal reaches the runner alone, which stops things in order
            )
        finally:
            if output:
                output.close()

    def __exit__(self, *_: object) -> None:
        if self._guard.stdin:
            self._guard.stdin.close()
        self._guard.wait(self._grace + 10)

    def poll(self) -> int | None:
        """The command's exit status; None while it runs."""
        return self._guard.poll()

    def wait(self) -> int:
        """Waits for the command's end and returns its exit status."""
        return self._guard.wait()

    def check(self) -> None:
        """Raises if the process has ended: those that are checked are meant to stay."""
        status = self._guard.poll()
        if status is not None:
            last = self.log.read_text(errors="replace").strip().rpartition("\n")[2] if self.log else ""
            raise Problem(
                f"{self.name} ended by itself (status {status}): {last}: see {shown(self.log) if self.log else 'above'}"
            )


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> int:
    """Runs a command to its end and returns its exit status. Whatever ends this wait ends the command."""
    with Process(command[0], command, env, grace=5) as process:
        return process.wait()


def await_that(condition: Callable[[], Found | None], what: str, seconds: float, *needed: Process) -> Found:
    """The condition's first value that is not None; a problem if it takes too long or a needed process ends."""
    deadline = time.monotonic() + seconds
    while (value := condition()) is None:
        for process in needed:
            process.check()
        if time.monotonic() > deadline:
            logs = ", ".join(shown(process.log) for process in needed if process.log)
            raise Problem(f"{what}: not within {seconds:.0f} seconds: see {logs}")
        time.sleep(0.05)
    return value


def get(url: str, seconds: float = 5) -> bytes | None:
    """The body of a good answer, None for none."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, OSError):
        return None


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on. All are held until the last is known, so that they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(held.getsockname()[1]) for held in sockets]
    finally:
        for held in sockets:
            held.close()


def port(variable: str, text: str) -> int:
    """The port that the variable's text names; a problem if it names none."""
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
        raise Problem(f"{variable}: {text!r} is not a port: choose a number from 1 to 65535")
    return int(text)


def check_port(port: int, variable: str, value: str, host: str = "127.0.0.1") -> None:
    """Raises a Problem if the port is not free. Call it before the build, which takes minutes."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        advice = f"free it, or choose another: {variable}={value} make …"
        raise Problem(f"{host}, port {port}: {reason}: {advice}") from error
