"""Building the functions as Lambda wants them, the stub CMS, and the operator's command line."""

import shutil
from pathlib import Path

import processes
from project import TARGET, Problem, shown

BUILT = TARGET / "lambda"
CMS_STUB = BUILT / "cms-stub" / "bootstrap"  # cargo-lambda lays out every executable so
OPERATE = BUILT / "operate" / "bootstrap"
BRIDGE = BUILT / "bridge" / "bootstrap"

# As `cargo lambda watch` and the tests ask for it: each dependency is built once, with one set of features.
FEATURES = ("--all-features",)
_NAMES = (
    "api-root",
    "change-brand",
    "console",
    "create-brand",
    "query-brands",
    "reconcile-brands",
    "republish-brands",
    "sign-in",
    "steer-sync",
    "sync-brand",
    "bridge",
    "cms-stub",
    "operate",
)
_EXECUTABLES = (*FEATURES, *(word for name in _NAMES for word in ("--bin", name)))
_EXECUTABLES_AND_TESTS = ("--workspace", *FEATURES, "--bins", "--tests")


def copied(executable: Path, folder: Path) -> str:
    """A copy to run: the next build writes into the executable itself, which fails while that runs."""
    copy = folder / "executables" / executable.parent.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        return str(shutil.copy2(executable, copy))
    except FileNotFoundError:
        raise Problem(f"{shown(executable)} is not built: run `python3 infra/local build`") from None


def build(with_tests: bool = False) -> None:
    """Builds with cargo's own progress; a failed build is cargo's to explain."""
    # Cargo as the compiler: to run here, nothing has to be linked for another system.
    command = [
        "cargo",
        "lambda",
        "build",
        "--compiler",
        "cargo",
        *(_EXECUTABLES_AND_TESTS if with_tests else _EXECUTABLES),
    ]
    if status := processes.run(command):
        raise Problem(f"build: `{' '.join(command)}` failed (status {status}): see above")
