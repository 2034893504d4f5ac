"""The deployment tools' virtual environment, under target/. SAM and the local stack need different package versions."""

import atexit
import os
import shutil
from functools import cache
from pathlib import Path

from project import ROOT, TARGET
from virtual_environment import VirtualEnvironment

FOLDER = TARGET / "deploy"
_OWN = VirtualEnvironment(
    FOLDER / "tools",
    ROOT / "infra" / "deploy" / "requirements.txt",
    "the SAM command line and the build tools for Lambda, under target/; once, about two minutes",
)
prepare, entered, enter = _OWN.prepare, _OWN.entered, _OWN.enter


@cache
def workplace() -> Path:
    """This process's own folder for files, among them the parameters with the API key. It is removed when the process ends.

    The folders of processes that were killed are removed by the next one.
    """
    for old in FOLDER.glob("run-*"):
        try:
            os.kill(int(old.name.removeprefix("run-")), 0)  # sends nothing
        except ProcessLookupError:
            shutil.rmtree(old, ignore_errors=True)
        except PermissionError:
            pass  # it lives, and is another user's
    folder = FOLDER / f"run-{os.getpid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def use() -> None:
    """Puts the tools on the path of this process and of its children."""
    os.chdir(ROOT)
    os.environ |= {
        "PATH": f"{_OWN.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "CARGO_TARGET_DIR": str(TARGET),
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "2",  # seconds
    }
