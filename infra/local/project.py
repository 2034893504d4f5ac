"""Where things stand in this project, and the problems its user can put right."""

import errno
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "infra" / "local"
TEMPLATE = ROOT / "infra" / "template.yaml"
VENV = ROOT / ".venv"
TARGET = ROOT / "target"
STATE = TARGET / "local"
LOGS = STATE / "logs"


class Problem(Exception):
    """What went wrong and what to do about it, in one line: shown as it is, without a traceback."""


def cannot_write(error: OSError) -> str | None:
    """The message for a checkout that cannot be written to; None if the error is a different one."""
    if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC):
        return None
    place, reason = error.filename or "the checkout", (error.strerror or "").lower()
    return f"{place}: {reason}: what is built and set up goes to target/ and .venv/ in the checkout"


def shown(path: Path) -> str:
    """The path as the user, who stands in the project, would type it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
