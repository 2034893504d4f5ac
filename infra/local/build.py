"""Building the functions as Lambda wants them, the stub CMS, and the operator's command line."""

import processes
from project import TARGET, Problem

CMS_STUB = TARGET / "lambda" / "cms-stub" / "bootstrap"  # cargo-lambda lays out every executable so
OPERATE = TARGET / "lambda" / "operate" / "bootstrap"

# All in one call, so that each dependency is built once, with one set of features.
_PACKAGES = (
    "api-root",
    "change-brand",
    "create-brand",
    "query-brands",
    "republish-brands",
    "sign-in",
    "sync-brand",
    "operate",
    "cms",
)
_EXECUTABLES = (*(word for package in _PACKAGES for word in ("--package", package)), "--features", "cms/server")

# With the features that the tests ask of the dependencies (tokio/test-util, say), so that cargo finds all of it built
# when it runs the tests. Else a quarter of the dependencies is built twice.
_EXECUTABLES_AND_TESTS = ("--workspace", "--all-features", "--bins", "--tests")


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
