"""`make` hands on what its user writes as text: neither make nor a shell executes any of it."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Stands in for each program that a recipe runs: records its arguments, then runs the command among them, if any.
RECORDER = f"""#!{sys.executable}
import json, os, sys
with open(os.environ["RECORD"], "a") as record:
    record.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:], os.environ.get("SIMULATION_SEEDS", ""),
                             os.environ.get("SIMULATION_SEED", "")]) + "\\n")
if sys.argv[1:2] == ["infra/local/words.py"]:
    os.execv({sys.executable!r}, [{sys.executable!r}, {str(ROOT)!r} + "/" + sys.argv[1], *sys.argv[2:]])
if sys.argv[1:3] == ["infra/local", "exec"]:
    command = sys.argv[sys.argv.index("--") + 1:]
    os.execvp(command[0], command)
"""

# Lists of words are split; all other values reach the program as they are.
LISTS = ("ARGS", "PARAMETERS")

# Which variables each target takes.
TARGETS = {
    "admin": ["EMAIL"],
    "show": ["ID"],
    "logs": ["FUNCTION"],
    "invoke": ["FUNCTION", "EVENT"],
    "sync": ["ARGS"],
    "circuit": ["ARGS"],
    "reconcile": ["ARGS"],
    "parked": ["ARGS"],
    "redrive": ["ARGS"],
    "bench": ["ARGS"],
    "deploy": ["PARAMETERS", "TO", "STACK"],
    "releases": ["TO", "STACK"],
    "rollback": ["RELEASE", "PARAMETERS", "TO", "STACK"],
    "delete": ["CONFIRM", "TO", "STACK"],
    "first-run": ["PARAMETERS", "CONFIRM", "TO", "STACK"],
}

# Which numbers each target takes.
NUMBERS = {
    "first-run": ["OUTAGE_MINUTES"],
    "simulate": ["SEEDS", "SEED"],
    "chaos": ["BRANDS", "SECONDS", "SEED"],
    "load": ["SECONDS"],
    "growth": ["ROWS"],
    "soak": ["COUNT"],
}


class Make(unittest.TestCase):
    """Each target, with stand-ins for the programs that it runs."""

    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = Path(place.name)
        self.canary = self.folder / "executed"
        self.record = self.folder / "record"
        bin = self.folder / "bin"
        for program in ("python", "cargo", "rustc"):
            self.stand_in(bin / program)
        for program in ("chaos", "load", "growth"):
            self.stand_in(self.folder / "target" / "lambda" / program / "bootstrap")
        self.stand_in(self.folder / "target" / "release" / "bench")
        self.bin = bin

    def stand_in(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(RECORDER)
        file.chmod(0o755)

    def make(self, target: str, given: dict[str, str], from_environment: bool = False) -> list[list[str]]:
        """Runs the target; answers the arguments of each program that it ran."""
        self.record.unlink(missing_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        environment |= {"RECORD": str(self.record), "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"}
        command = ["make", "-C", str(self.folder), "-f", str(ROOT / "Makefile"), target, "PYTHON=python"]
        if from_environment:
            environment |= given
        else:
            command += [f"{name}={value}" for name, value in given.items()]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in self.record.read_text().splitlines()]

    def test_nothing_that_is_given_is_executed_and_all_of_it_arrives(self) -> None:
        touch = f"touch {self.canary}"
        values = (
            f"$({touch})$(shell {touch})${{shell {touch}}}$$({touch})$(eval X := $(shell {touch}))`{touch}`",
            f'a"; {touch}; "',
            f"a'; {touch}; '",
            f"a; {touch}\n{touch}\n$HOME %s \\ #",
        )
        for target, names in TARGETS.items():
            for value in values:
                # make takes variables from both; a target that reads one of them safely reads the other so.
                for from_environment in (False, True) if target in ("admin", "sync") else (False,):
                    with self.subTest(target, value=value, from_environment=from_environment):
                        given = {name: shlex.quote(value) if name in LISTS else value for name in names}
                        ran = self.make(target, given, from_environment)
                        self.assertFalse(self.canary.exists(), "it was executed")
                        arrived = max(sum(argument.endswith(value) for argument in arguments) for arguments in ran)
                        self.assertEqual(arrived, len(names), ran)

    def test_a_list_is_split_into_words_as_a_shell_does(self) -> None:
        given = {"ARGS": """--kind unknown_brand  --containing 'two words' "$HOME" a\\ b *"""}
        expected = ["--kind", "unknown_brand", "--containing", "two words", "$HOME", "a b", "*"]
        ran = self.make("redrive", given)[-1]
        self.assertEqual(ran[:-2], ["python", "infra/local", "operate", "--", "redrive", *expected])
        ran = self.make("deploy", {"PARAMETERS": "LogLevel=debug CmsUrl='https://a b'"})[-1]
        self.assertEqual(ran[-4:-2], ["LogLevel=debug", "CmsUrl=https://a b"])

    def test_what_is_not_a_number_is_refused_and_not_executed(self) -> None:
        for target, name in ((target, name) for target, names in NUMBERS.items() for name in names):
            for value in ("nonsense", "-1", f"1; touch {self.canary}", f"$(touch {self.canary})"):
                with self.subTest(target, name=name, value=value):
                    done = self.run_make(target, f"{name}={value}")
                    said = f"make {target}: {name} is not a whole number"
                    self.assertEqual((done.returncode, done.stderr.splitlines()[0]), (2, said))
                    self.assertFalse(self.canary.exists(), "it was executed")

    def run_make(self, target: str, *given: str) -> "subprocess.CompletedProcess[str]":
        command = ["make", "-C", str(self.folder), "-f", str(ROOT / "Makefile"), target, "PYTHON=false", *given]
        environment = {name: value for name, value in os.environ.items() if name not in ("EMAIL", "ID")}
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def test_what_is_needed_and_not_given_is_asked_for_in_one_line(self) -> None:
        for target, given, missing in (
            ("admin", [], "EMAIL=admin@example.com"),
            ("show", ["ID="], "ID=the brand's id"),
            ("invoke", [], "FUNCTION=create-brand"),
            ("invoke", ["FUNCTION=create-brand"], "EVENT=events/api-gateway-create-brand.json"),
        ):
            done = self.run_make(target, *given)
            said = f"make {target}: {missing} is missing"
            self.assertEqual((done.returncode, done.stderr.splitlines()[0]), (2, said))

    def test_what_is_not_given_is_as_documented(self) -> None:
        self.assertEqual(self.make("logs", {})[-1][:-2], ["python", "infra/local", "logs"])
        self.assertEqual(self.make("chaos", {})[-1][1:-2], ["--brands", "500", "--seconds", "90"])
        self.assertEqual(self.make("load", {})[-1][1:-2], ["--seconds", "20"])
        self.assertEqual(self.make("growth", {})[-1][1:-2], ["--rows", "100000"])
        self.assertEqual(self.make("releases", {})[-1][1:-2], ["infra/deploy", "--to=aws", "--stack=", "releases"])
        self.assertEqual(self.make("simulate", {})[-1][-2:], ["100000", ""])
        self.assertEqual(self.make("redrive", {})[-1][:-2], ["python", "infra/local", "operate", "--", "redrive"])


if __name__ == "__main__":
    unittest.main()
