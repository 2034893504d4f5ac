"""What the machine must have, the project's own virtual environment, and what of the developer's must not leak in.

Bare Python gets this far; the rest needs what the virtual environment holds.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib

from project import HERE, ROOT, VENV, Problem
from virtual_environment import VirtualEnvironment

_OWN = VirtualEnvironment(VENV, HERE / "requirements.txt", "the local stack's tools into .venv; once, about a minute")
entered, enter = _OWN.entered, _OWN.enter


def prepare() -> None:
    """Checks the machine and makes the virtual environment, anew when its requirements or Python changed."""
    if missing := [problem for problem in (_rust(), _linker(), _venv_module()) if problem]:
        raise Problem("\n".join(missing))
    _OWN.prepare()


def isolate() -> None:
    """Keeps this process, and so all it starts, off the developer's AWS account and off proxies for local addresses."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",  # botocore reads only this name
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        # cargo-lambda always names the target; cargo shares what it built only with builds that name it too.
        "CARGO_BUILD_TARGET": "host-tuple",
        # The template says ../target.
        "CARGO_TARGET_DIR": str(ROOT / "target"),
        "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }


def _rust() -> str | None:
    wanted = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    advice = f"install Rust {wanted} or newer (https://rustup.rs), or run: rustup update"
    if not shutil.which("cargo") or not shutil.which("rustc"):
        return f"cargo and rustc are not on the PATH: {advice}"
    answer = subprocess.run(["rustc", "--version"], cwd=ROOT, capture_output=True, text=True)
    found = re.match(r"rustc (\d+)\.(\d+)", answer.stdout)
    if not found:
        return f"rustc does not run ({answer.stderr.strip()}): {advice}"
    if tuple(map(int, found.groups())) < tuple(map(int, wanted.split("."))):
        return f"rustc is {'.'.join(found.groups())}: {advice}"
    return None


def _linker() -> str | None:
    if shutil.which("cc"):
        return None
    return "cc, which Rust links with, is not on the PATH: apt install build-essential (macOS: xcode-select --install)"


def _venv_module() -> str | None:
    # Debian parts ensurepip, without which venv makes no pip, from Python.
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return None
    return f"this Python ({sys.executable}) has no venv module: apt install python3-venv"
