"""Runs a command against a real CMS: python3 tests/cms/run.py payload|strapi [-- COMMAND...]

The command gets CMS_URL (payload+http://… or strapi+http://…), CMS_API_KEY and CMS_PID (the server's process) in its
environment, and its exit status is returned. Without a command the CMS serves until Ctrl-C. Each run has a free port, an empty
database and a new key, so that runs do not disturb each other. Packages are installed under target/cms/ once for each lock
file. The server's log is kept there if the command fails.

Without Node.js it says so and exits with 0. With --install it only installs.
"""

import argparse
import os
import re
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

sys.dont_write_bytecode = True  # no __pycache__ among the sources
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "infra" / "local")]

import nodejs  # noqa: E402
from processes import Process, await_that, free_ports, run  # noqa: E402
from progress import phase, timings  # noqa: E402
from project import TARGET, Problem, shown  # noqa: E402

READY_SECONDS = 120


@dataclass(frozen=True)
class Cms:
    """How a CMS is installed."""

    how_long: str
    flags: tuple[str, ...] = ()
    """More flags for `npm ci`."""
    build: tuple[str, ...] = ()
    """The packages that may run their install scripts."""


CMSES = {
    "payload": Cms("half a minute, 200 MB"),
    "strapi": Cms("3 minutes, 700 MB", ("--legacy-peer-deps",), ("better-sqlite3",)),
}


def main() -> int:
    """Returns the exit status: the command's, or 0 if the CMS was left out."""
    for sent in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sent, signal.default_int_handler)  # unwinds as at Ctrl-C
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("cms", choices=CMSES)
    parser.add_argument("command", nargs="*", metavar="COMMAND")
    arguments = parser.parse_args()
    if reason := nodejs.missing():
        print(f"cms: LEFT OUT, nothing was tried with {arguments.cms}: {reason}", flush=True)
        return 0
    try:
        return _install(arguments.cms) if arguments.install else _serve(arguments.cms, arguments.command)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _install(name: str) -> int:
    cms = CMSES[name]
    with phase("install", f"{name}, the first time about {cms.how_long}"):
        return nodejs.install(HERE / name, _installed(name), cms.flags, cms.build)


def _installed(name: str) -> Path:
    return TARGET / "cms" / name


def _serve(name: str, command: list[str]) -> int:
    if status := _install(name):
        return status
    installed = _installed(name)
    port = free_ports(1)[0]
    log = TARGET / "cms" / f"{name}-{port}.log"
    with _started(name, installed, port, log) as (server, coordinates):
        print(f"cms: {name} serves: {timings()}: its log is {shown(log)}", file=sys.stderr, flush=True)
        if command:
            status = run(command, os.environ | coordinates)
        else:
            print("\n" + " ".join(f"{key}={coordinates[key]}" for key in ("CMS_URL", "CMS_API_KEY")) + " make run\n")
            print(f"{name} serves until Ctrl-C", flush=True)
            status = server.wait()
    if status == 0:
        log.unlink()
    return status


@contextmanager
def _started(name: str, installed: Path, port: int, log: Path) -> Iterator[tuple[Process, dict[str, str]]]:
    """A CMS that is ready, and the environment variables that locate it."""
    key = secrets.token_hex(32)
    with ExitStack() as exits:
        # Within what is installed: Node.js looks for node_modules in the folders above.
        folder = tempfile.TemporaryDirectory(prefix="run-", dir=installed, ignore_cleanup_errors=True)
        app = Path(exits.enter_context(folder), "app")
        shutil.copytree(HERE / name, app)
        env = {"PORT": str(port), "DATABASE": str(app / "database.db"), "API_KEY": key}
        with phase("start", f"{name} on port {port}, at most {READY_SECONDS} seconds"):
            command = ["node", str(app)]
            server = exits.enter_context(Process(name, command, os.environ | env, log, grace=5))
            process = await_that(lambda: _ready(log), f"{name} is ready", READY_SECONDS, server)
        yield server, {"CMS_URL": f"{name}+http://127.0.0.1:{port}", "CMS_API_KEY": key, "CMS_PID": process}


def _ready(log: Path) -> str | None:
    """The server's process id: it prints the id once it accepts requests."""
    found = re.search(r"^ready (\d+)$", log.read_text(errors="replace"), re.MULTILINE)
    return found[1] if found else None


if __name__ == "__main__":
    sys.exit(main())
