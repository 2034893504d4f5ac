"""Building the functions as Lambda wants them, and the stub CMS."""

import processes
from project import TARGET, Problem

FUNCTIONS = ("create-brand", "sync-brand")
CMS_STUB = TARGET / "lambda" / "cms-stub" / "bootstrap"  # cargo-lambda lays out every executable so


def build() -> None:
    """Builds with cargo's own progress; a failed build is cargo's to explain."""
    packages = [argument for package in (*FUNCTIONS, "cms") for argument in ("--package", package)]
    # Cargo as the compiler: to run here nothing is linked for another system. All in one call, and with the features that
    # the tests enable: so each dependency is built once, with one set of features, and the tests build none of them again.
    command = ["cargo", "lambda", "build", "--compiler", "cargo", *packages, "--features", "cms/server"]
    if status := processes.run(command):
        raise Problem(f"build: `{' '.join(command)}` failed (status {status}): see above")
