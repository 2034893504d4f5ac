"""Tries the API against its document, on the stack of `make test`: python3 infra/local exec -- python3 tests/schemathesis/run.py

What it installs is under target/, once for each requirements.txt, and so is what it leaves. SCHEMATHESIS_SEED repeats a run by
the seed that it printed; further arguments go to `schemathesis run`. With --install it only installs.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.append(str(ROOT / "infra" / "local"))
sys.dont_write_bytecode = True  # no __pycache__ among the sources

from virtual_environment import VirtualEnvironment  # noqa: E402

DOCUMENT = ROOT / "shared" / "admin-api" / "openapi.json"
INSTALLED = ROOT / "target" / "schemathesis"
TOOLS = VirtualEnvironment(
    INSTALLED / "venv", HERE / "requirements.txt", "schemathesis, under target/; once, about half a minute"
)
SEED = "20261124"  # the same every time: `make test` is to fail for what was changed


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    if arguments == ["--install"]:
        TOOLS.prepare()
        return 0
    if "API_URL" not in os.environ:
        print("schemathesis: no stack: python3 infra/local exec -- python3 tests/schemathesis/run.py", file=sys.stderr)
        return 1
    api_url, seed = os.environ["API_URL"], os.environ.get("SCHEMATHESIS_SEED", SEED)
    TOOLS.prepare()
    bin = TOOLS.folder / "bin"
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
