"""Runs Medusa's own client against the stack of `make test`: python3 infra/local exec -- python3 tests/js-sdk/run.py

It needs Node.js, which nothing else here does: where there is none, it says so and leaves the test out. What it installs is
under target/, once for each lock file.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
INSTALLED = HERE.parents[1] / "target" / "js-sdk"
STAMP = INSTALLED / "complete"  # written last
NODE = 20  # the client's engines.node


def main() -> int:
    """Returns the exit status: 0 where the test was left out."""
    if reason := _missing():
        print(f"js-sdk: LEFT OUT, the API was not tried with Medusa's client: {reason}", flush=True)
        return 0
    if "API_URL" not in os.environ:
        print("js-sdk: no stack: python3 infra/local exec -- python3 tests/js-sdk/run.py", file=sys.stderr)
        return 1
    if status := _install():
        return status
    # It stands beside its node_modules, where Node.js looks for them.
    test = shutil.copy(HERE / "brands.test.js", INSTALLED)
    return subprocess.run(["node", "--test", "--test-reporter=spec", str(test)], cwd=INSTALLED).returncode


def _missing() -> str | None:
    for program in ("node", "npm"):
        if not shutil.which(program):
            return f"{program} is not on the PATH (Node.js {NODE} or newer)"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    found = re.match(r"v(\d+)\.", version)
    if not found or int(found[1]) < NODE:
        return f"node is {version or 'silent'}, {NODE} or newer is needed"
    return None


def _install() -> int:
    manifests = [HERE / "package.json", HERE / "package-lock.json"]
    wanted = hashlib.sha256(b"".join(manifest.read_bytes() for manifest in manifests)).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return 0
    shutil.rmtree(INSTALLED, ignore_errors=True)
    INSTALLED.mkdir(parents=True)
    for manifest in manifests:
        shutil.copy(manifest, INSTALLED)
    # Nothing that is installed is run before the test runs it.
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if status := subprocess.run(command, cwd=INSTALLED).returncode:
        print(f"js-sdk: `{' '.join(command)}` failed (status {status})", file=sys.stderr)
        return status
    STAMP.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
