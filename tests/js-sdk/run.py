"""Runs Medusa's own client against the stack of `make test`: python3 infra/local exec -- python3 tests/js-sdk/run.py

Without Node.js it says so and exits with 0. With --install it only installs. Packages are installed under target/ once for each lock file.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
INSTALLED = HERE.parents[1] / "target" / "js-sdk"

sys.dont_write_bytecode = True  # no __pycache__ among the sources
sys.path.insert(0, str(HERE.parent))

import nodejs  # noqa: E402


def main() -> int:
    """Returns the exit status: 0 where the test was left out."""
    if reason := nodejs.missing():
        print(f"js-sdk: LEFT OUT, the API was not tried with Medusa's client: {reason}", flush=True)
        return 0
    if sys.argv[1:] == ["--install"]:
        return nodejs.install(HERE, INSTALLED)
    if "API_URL" not in os.environ:
        print("js-sdk: no stack: python3 infra/local exec -- python3 tests/js-sdk/run.py", file=sys.stderr)
        return 1
    if status := nodejs.install(HERE, INSTALLED):
        return status
    # It stands beside its node_modules, where Node.js looks for them.
    test = shutil.copy(HERE / "brands.test.js", INSTALLED)
    return subprocess.run(["node", "--test", "--test-reporter=spec", str(test)], cwd=INSTALLED).returncode


if __name__ == "__main__":
    sys.exit(main())
