"""The tools' own virtual environment, under target/: SAM asks for other versions of what the local stack uses."""

import os

from project import ROOT, TARGET
from virtual_environment import VirtualEnvironment

FOLDER = TARGET / "deploy"
_OWN = VirtualEnvironment(
    FOLDER / "tools",
    ROOT / "infra" / "deploy" / "requirements.txt",
    "the SAM command line and what builds for Lambda, under target/; once, about two minutes",
)
prepare, entered, enter = _OWN.prepare, _OWN.entered, _OWN.enter


def use() -> None:
    """Has this process, and so all it starts, find the tools."""
    os.chdir(ROOT)
    os.environ |= {
        "PATH": f"{_OWN.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "CARGO_TARGET_DIR": str(TARGET),
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "2",  # seconds
    }
