"""LocalStack without Docker: which Python it takes, and what is said where it cannot run."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "infra" / "local" / "localstack_without_docker.py"


@unittest.skipUnless(sys.platform == "linux", "it runs on Linux only")
class WithoutDocker(unittest.TestCase):
    """The program, with stand-ins for all that it looks for."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name in ("java", "npm"):
            self.stand_in(f"bin/{name}", status=0)

    def stand_in(self, path: str, status: int) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\nexit {status}\n")
        file.chmod(0o755)
        return file

    def said(self, **environment: str) -> str:
        """What it says; nothing if LocalStack can run."""
        variables = {"PATH": str(self.folder / "bin"), "PYENV_ROOT": str(self.folder / "pyenv"), **environment}
        ended = subprocess.run([sys.executable, "-B", PROGRAM], env=variables, capture_output=True, text=True)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        return ended.stdout

    def test_a_python_that_fails_is_passed_over_for_one_of_pyenv_that_works(self) -> None:
        self.stand_in("bin/python3.13", status=127)
        self.assertIn("no Python 3.13", self.said())
        self.stand_in("pyenv/versions/3.13.0/bin/python3.13", status=0)
        self.assertEqual(self.said(), "")

    def test_the_python_that_is_named_is_the_only_one_tried(self) -> None:
        self.stand_in("bin/python3.13", status=0)
        self.assertEqual(self.said(), "")
        other = self.stand_in("other/python", status=1)
        self.assertIn(f"LOCALSTACK_PYTHON={other}", self.said(LOCALSTACK_PYTHON=str(other)))
        self.assertIn("LOCALSTACK_PYTHON=missing", self.said(LOCALSTACK_PYTHON="missing"))

    def test_one_line_names_what_is_missing(self) -> None:
        self.stand_in("bin/python3.13", status=0)
        (self.folder / "bin" / "npm").unlink()
        self.assertEqual(self.said(), "LocalStack is left out: npm not found on the PATH\n")


if __name__ == "__main__":
    unittest.main()
