"""Tries the API against its document, on the stack of `make test`: python3 infra/local exec -- python3 tests/schemathesis/run.py

What it installs is under target/, once for each requirements.txt, and so is what it leaves. SCHEMATHESIS_SEED repeats a run by
the seed that it printed; further arguments go to `schemathesis run`. With --install it only installs.
"""

import json
import os
import subprocess
import sys
import urllib.request
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
BRANDS = 5
SEED = "20261124"  # the same every time: `make test` is to fail for what was changed


def post(path: str, body: dict[str, str]) -> dict[str, dict[str, str]]:
    """The API's answer to a request that must succeed."""
    headers = {"Authorization": f"Bearer {os.environ['ADMIN_TOKEN']}", "Content-Type": "application/json"}
    request = urllib.request.Request(os.environ["API_URL"] + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def make_brands() -> None:
    """Creates brands, and tells schemathesis.toml their ids."""
    ids = [post("/admin/brands", {"name": f"Tried {number}"})["brand"]["id"] for number in range(BRANDS)]
    (INSTALLED / "brands.txt").write_text("".join(f'"{id}"\n' for id in ids))
    os.environ["BRAND_ID"] = ids[0]


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
    make_brands()
    try:
        return subprocess.run(command, cwd=INSTALLED).returncode
    finally:
        # Some cases open it.
        post("/admin/cms/circuit", {"state": "closed", "reason": "The API was tried against its document"})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
