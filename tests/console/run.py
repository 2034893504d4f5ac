"""Tries the console in a browser, on the stack of `make test`: python3 infra/local exec -- python3 tests/console/run.py

CHROMIUM names the browser, else it is looked for. Without one, or without npm for axe-core, it says so and exits with 0, but fails where CI is
set. Further arguments go to unittest, such as `-k keyboard`. CONSOLE_PICTURES=1 also takes the README's pictures. What it installs is under
target/, once for each list.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path += [str(HERE.parent), str(ROOT / "infra" / "local")]
sys.dont_write_bytecode = True  # no __pycache__ among the sources

import nodejs  # noqa: E402
from virtual_environment import VirtualEnvironment  # noqa: E402

INSTALLED = ROOT / "target" / "console"
TOOLS = VirtualEnvironment(
    INSTALLED / "venv", HERE / "requirements.txt", "Playwright, under target/; once, about 20 seconds"
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def found_browser() -> str | None:
    """The browser's executable."""
    candidates = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else BROWSERS
    return next(filter(None, map(shutil.which, candidates)), None)


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 where the tests were left out."""
    browser = found_browser()
    reason = nodejs.missing() if browser else f"no browser: {os.environ.get('CHROMIUM') or 'apt-get install chromium'}"
    if reason:
        print(f"console: LEFT OUT, the console was not tried in a browser: {reason}", flush=True)
        return 1 if os.environ.get("CI") else 0
    if "API_URL" not in os.environ:
        print("console: no stack: python3 infra/local exec -- python3 tests/console/run.py", file=sys.stderr)
        return 1
    TOOLS.prepare()
    if status := nodejs.install(HERE, INSTALLED / "npm"):
        return status
    axe = INSTALLED / "npm" / "node_modules" / "axe-core" / "axe.min.js"
    python = [str(TOOLS.folder / "bin" / "python"), "-B", "-m", "unittest"]
    command = [*python, "discover", "--start-directory", str(HERE), *arguments]
    return subprocess.run(command, env=os.environ | {"CHROMIUM": browser, "AXE": str(axe)}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
