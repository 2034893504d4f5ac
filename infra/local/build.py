"""Building the functions as Lambda wants them, the stub CMS, and the operator's command line."""

import shutil
from pathlib import Path

import processes
from project import TARGET, Problem

CMS_STUB = TARGET / "lambda" / "cms-stub" / "bootstrap"  # cargo-lambda lays out every executable so
OPERATE = TARGET / "lambda" / "operate" / "bootstrap"
BRIDGE = TARGET / "lambda" / "bridge" / "bootstrap"

# As `cargo lambda watch` and the tests ask for it: each dependency is built once, with one set of features.
FEATURES = ("--all-features",)
_NAMES = (
    "api-root",
    "change-brand",
    "create-brand",
    "query-brands",
    "republish-brands",
    "sign-in",
    "sync-brand",
    "bridge",
    "cms-stub",
    "operate",
)
_EXECUTABLES = (*FEATURES, *(word for name in _NAMES for word in ("--bin", name)))
_EXECUTABLES_AND_TESTS = ("--workspace", *FEATURES, "--bins", "--tests")


def build(with_tests: bool = False) -> None:
    """Builds with cargo's own progress; a failed build is cargo's to explain."""
    # `make deploy TO=local` builds while these run, and a running executable can be replaced, but not written to.
    for executable in filter(Path.exists, (CMS_STUB, BRIDGE)):
        copy = executable.with_name("copy")
        shutil.copy2(executable, copy)
        copy.replace(executable)
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
