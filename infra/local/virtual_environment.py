"""Virtual environments, each created from a list of packages with hashes. Runs on bare Python."""

import fcntl
import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import processes
from progress import phase
from project import Problem


@dataclass(frozen=True)
class VirtualEnvironment:
    """A folder with the packages of a requirements.txt."""

    folder: Path
    requirements: Path
    announcement: str

    def prepare(self) -> None:
        """Creates it, and recreates it after a change of its requirements or of Python."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder, os.O_RDONLY)  # `venv --clear` keeps the folder itself
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another process may create the same
            self._prepare()
        finally:
            os.close(lock)

    def _prepare(self) -> None:
        stamp = self.folder / "complete"  # written last, so an interrupted installation has none
        wanted = hashlib.sha256(self.requirements.read_bytes() + sys.version.encode()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        with phase("setup", self.announcement):
            pip = [str(self.folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
            for command in (
                [sys.executable, "-m", "venv", "--clear", str(self.folder)],
                # Without dependencies: the list is complete, and some pips lose the hashes of packages with extras.
                [*pip, "--require-hashes", "--no-deps", "--requirement", str(self.requirements)],
            ):
                if status := processes.run(command):
                    raise Problem(f"setup: {' '.join(command[:4])}… failed (status {status}): see above")
            stamp.write_text(wanted)

    def entered(self) -> bool:
        """Whether this process runs in the environment."""
        return os.path.realpath(sys.prefix) == os.path.realpath(self.folder)

    def enter(self) -> None:
        """Restarts this process, with its arguments, in the environment."""
        python = str(self.folder / "bin" / "python")
        os.execv(python, [python, *sys.argv])
