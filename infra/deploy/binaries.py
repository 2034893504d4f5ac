"""The functions, built as Lambda runs them: for its processors, and for the C library of Amazon Linux 2023."""

import os
import re
import subprocess
from pathlib import Path

import processes
from project import ROOT, Problem, shown
from tools import FOLDER

BUILT = FOLDER / "lambda"
GLIBC = (2, 34)  # Amazon Linux 2023's: provided.al2023 runs nothing that asks for more
_MACHINES = {"x86_64": 0x3E, "arm64": 0xB7}  # an ELF header's e_machine


def names() -> list[str]:
    """The functions, by the folders that they lie in."""
    return sorted(path.parent.name for path in (ROOT / "functions").glob("*/Cargo.toml"))


def build(architecture: str) -> None:
    """Builds with cargo's own progress. Zig links: this machine's C library may be newer than Lambda's."""
    triple = f"{'aarch64' if architecture == 'arm64' else 'x86_64'}-unknown-linux-gnu"
    _check_target(triple)
    packages = [word for name in names() for word in ("--package", name)]
    command = ["cargo", "lambda", "build", "--release", "--compiler", "cargo-zigbuild", "--target", triple]
    command += ["--lambda-dir", str(BUILT), *packages]
    # Such as otlp, which exports spans: README, "What it tells of itself".
    if features := os.environ.get("FEATURES"):
        command += ["--features", features]
    # The Makefile's is for what runs here.
    environment = {name: value for name, value in os.environ.items() if name != "CARGO_BUILD_TARGET"}
    if status := processes.run(command, environment):
        raise Problem(f"build: `{' '.join(command[:3])} …` failed (status {status}): see above")


def _check_target(triple: str) -> None:
    asked = ["rustc", "--print", "target-libdir", "--target", triple]
    answer = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
    if answer.returncode or not Path(answer.stdout.strip()).is_dir():
        raise Problem(f"build: Rust's library for {triple} is not installed: rustup target add {triple}")


def check(folder: Path, architecture: str) -> None:
    """Raises if a function's executable is not there, or could not run on Lambda."""
    for name in names():
        executable = folder / name / "bootstrap"
        if not executable.is_file():
            raise Problem(
                f"{shown(executable)} is not there: it is what `cargo lambda build` makes of functions/{name}"
            )
        if problem := problem_of(executable.read_bytes(), architecture):
            raise Problem(f"{shown(executable)} {problem}")


def problem_of(executable: bytes, architecture: str) -> str | None:
    """Why Lambda could not run it, if it could not."""
    if executable[:4] != b"\x7fELF":
        return "is no executable for Linux: build it with `make deploy`"
    if int.from_bytes(executable[18:20], "little") != _MACHINES[architecture]:
        return f"is not for {architecture}: the parameter Architecture says what it is to be built for"
    # The names of the versions that it needs stand in its table of strings, each ended by a zero.
    needed = {(int(major), int(minor)) for major, minor in re.findall(rb"\0GLIBC_(\d+)\.(\d+)(?=[.\d]*\0)", executable)}
    newest = max(needed, default=(0, 0))
    if newest > GLIBC:
        asks, has = (".".join(map(str, version)) for version in (newest, GLIBC))
        return (
            f"asks for glibc {asks}, and Lambda's system has {has}: build it with zig "
            "(`make deploy` does), not with --compiler cargo on this machine"
        )
    return None
