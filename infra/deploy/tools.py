"""The tools' own virtual environment, under target/: SAM asks for other versions of what the local stack uses."""

import hashlib
import os
import shutil
import sys

import processes
from progress import phase
from project import ROOT, TARGET, Problem

FOLDER = TARGET / "deploy"
REQUIREMENTS = ROOT / "infra" / "deploy" / "requirements.txt"
_INSTALLED = FOLDER / "tools"
_STAMP = _INSTALLED / "complete"  # written last: what was cut short has none


def prepare() -> None:
    """Installs the tools, anew when their versions or Python changed."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    if _STAMP.exists() and _STAMP.read_text() == wanted:
        return
    with phase("setup", "the SAM command line and what builds for Lambda, under target/; once, about two minutes"):
        shutil.rmtree(_INSTALLED, ignore_errors=True)
        pip = [str(_INSTALLED / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        for command in (
            [sys.executable, "-m", "venv", str(_INSTALLED)],
            # Without dependencies: the list is complete, and some pips lose the hashes of packages with extras.
            [*pip, "--require-hashes", "--no-deps", "--requirement", str(REQUIREMENTS)],
        ):
            if status := processes.run(command):
                raise Problem(f"setup: {' '.join(command[:3])}… failed (status {status}): see above")
        _STAMP.write_text(wanted)


def entered() -> bool:
    """Whether this process runs in the tools' virtual environment."""
    return os.path.realpath(sys.prefix) == os.path.realpath(_INSTALLED)


def enter() -> None:
    """Continues this process, with its arguments, in the tools' virtual environment."""
    python = str(_INSTALLED / "bin" / "python")
    os.execv(python, [python, *sys.argv])


def use() -> None:
    """Has this process, and so all it starts, find the tools."""
    os.chdir(ROOT)
    os.environ |= {
        "PATH": f"{_INSTALLED / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "CARGO_TARGET_DIR": str(TARGET),
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "2",  # seconds
    }
