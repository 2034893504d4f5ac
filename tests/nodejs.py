"""Installs npm packages for the tests that need Node.js. Those tests are left out where it is missing."""

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

VERSION = 20  # the highest that the packages require in engines.node


def missing() -> str | None:
    """Why these tests cannot run, or None if they can."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            return f"{program} is not on the PATH (Node.js {VERSION} or newer)"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    found = re.match(r"v(\d+)\.", version)
    if not found or int(found[1]) < VERSION:
        return f"node is {version or 'silent'}, {VERSION} or newer is needed"
    return None


def install(source: Path, target: Path, flags: Sequence[str] = (), build: Sequence[str] = ()) -> int:
    """Installs the packages of `source` in `target`, unless they are there already, and returns npm's exit status.

    Only the packages named in `build` run their install scripts.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test may install the same
        return _install(source, target, flags, build)


def _install(source: Path, target: Path, flags: Sequence[str], build: Sequence[str]) -> int:
    manifests = [source / "package.json", source / "package-lock.json"]
    wanted = hashlib.sha256(b"".join(manifest.read_bytes() for manifest in manifests)).hexdigest()
    stamp = target / "complete"  # written last
    if stamp.exists() and stamp.read_text() == wanted:
        return 0
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for manifest in manifests:
        shutil.copy(manifest, target)
    commands = [["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", *flags]]
    if build:
        commands.append(["npm", "rebuild", "--loglevel=error", *build])
    for command in commands:
        if status := subprocess.run(command, cwd=target, stdout=sys.stderr).returncode:
            print(f"{target.name}: `{' '.join(command)}` failed (status {status})", file=sys.stderr)
            return status
    stamp.write_text(wanted)
    return 0
