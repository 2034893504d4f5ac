"""The deployment tools' virtual environment, under target/. SAM and the local stack need different package versions."""

import os

from project import ROOT, TARGET
from virtual_environment import VirtualEnvironment

FOLDER = TARGET / "deploy"
_OWN = VirtualEnvironment(
    FOLDER / "tools",
    ROOT / "infra" / "deploy" / "requirements.txt",
    "the SAM command line and the build tools for Lambda, under target/; once, about two minutes",
)
prepare, entered, enter = _OWN.prepare, _OWN.entered, _OWN.enter


def use() -> None:
    """Puts the tools on the path of this process and of its children."""
    os.chdir(ROOT)
    os.environ |= {
        "PATH": f"{_OWN.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "CARGO_TARGET_DIR": str(TARGET),
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "2",  # seconds
    }
