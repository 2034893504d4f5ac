"""Tries the API against its document, on the stack of `make test`: python3 infra/local exec -- python3 tests/schemathesis/run.py

What it installs is under target/, once for each requirements.txt, and so is what it leaves. SCHEMATHESIS_SEED repeats a run by
the seed that it printed; further arguments go to `schemathesis run`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DOCUMENT = ROOT / "shared" / "admin-api" / "openapi.json"
INSTALLED = ROOT / "target" / "schemathesis"
STAMP = INSTALLED / "complete"  # written last
SEED = "20261124"  # the same every time: `make test` is to fail for what was changed


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    if "API_URL" not in os.environ:
        print("schemathesis: no stack: python3 infra/local exec -- python3 tests/schemathesis/run.py", file=sys.stderr)
        return 1
    api_url, seed = os.environ["API_URL"], os.environ.get("SCHEMATHESIS_SEED", SEED)
    if status := _install():
        return status
    bin = INSTALLED / "venv" / "bin"
    if status := subprocess.run([str(bin / "openapi-spec-validator"), str(DOCUMENT)]).returncode:
        return status
    print(f"schemathesis: SCHEMATHESIS_SEED={seed}", flush=True)
    command = [
        str(bin / "schemathesis"),
        "--config-file",
        str(HERE / "schemathesis.toml"),
        "run",
        # As whoever uses the API gets it.
        f"{api_url}/openapi.json",
        "--url",
        api_url,
        "--seed",
        seed,
        *arguments,
    ]
    return subprocess.run(command, cwd=INSTALLED).returncode


def _install() -> int:
    requirements = HERE / "requirements.txt"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return 0
    print("schemathesis: setting up, once, about half a minute", flush=True)
    shutil.rmtree(INSTALLED, ignore_errors=True)
    INSTALLED.mkdir(parents=True)
    venv = INSTALLED / "venv"
    for command in (
        [sys.executable, "-m", "venv", str(venv)],
        [
            str(venv / "bin" / "pip"),
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "--no-deps",  # the list is complete
            "--requirement",
            str(requirements),
        ],
    ):
        if status := subprocess.run(command).returncode:
            return status
    STAMP.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
