"""Stages run side by side, and the first that fails ends the others."""

import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

STAGES = Path(__file__).resolve().parents[1] / "stages.py"


class Stages(unittest.TestCase):
    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = Path(place.name)

    def started(self, *words: str) -> "subprocess.Popen[str]":
        """The stages, whose logs and files are in a folder of their own."""
        program = "import sys, runpy; from pathlib import Path; sys.argv[:1] = []; sys.path[:0] = sys.argv.pop(0).split(':')\n"
        program += "import project; project.TARGET = Path('.').resolve(); runpy.run_path(sys.argv[0], run_name='__main__')"
        local = STAGES.parents[1] / "infra" / "local"
        command = [sys.executable, "-B", "-c", program, str(local), str(STAGES), *words]
        return subprocess.Popen(
            command, cwd=self.folder, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def ran(self, *words: str) -> tuple[int, str]:
        stages = self.started(*words)
        output = stages.communicate(timeout=60)[0]
        return stages.returncode, output

    def test_run_side_by_side_and_show_their_output_when_they_end(self) -> None:
        # Each waits for the other.
        status, output = self.ran(
            "one", "echo 1a; mkfifo to; echo > to; echo 1b", "two", "until [ -p to ]; do :; done; cat to; echo 2"
        )
        self.assertEqual(status, 0, output)
        self.assertIn("1a\n1b\n", output)
        self.assertIn("---- one passed", output)
        self.assertIn("---- two passed", output)

    def test_end_with_the_first_that_fails_and_with_its_status_and_output(self) -> None:
        # The commands of a stage end with the first that fails, too.
        words = ("waits", "sleep 600; touch late", "fails", "echo why; (exit 7); touch late", "next", "sleep 600")
        status, output = self.ran(*words, "last", "touch late")
        self.assertEqual(status, 7, output)
        self.assertIn("---- fails failed with status 7", output)
        self.assertIn("why\n", output)
        self.assertIn("ended: waits", output)
        self.assertFalse((self.folder / "late").exists())

    def test_all_end_with_the_runner(self) -> None:
        stages = self.started("waits", "echo $$ > new; mv new pid; sleep 600")
        while not (self.folder / "pid").exists():
            self.assertIsNone(stages.poll())
        stages.send_signal(signal.SIGINT)
        output = stages.communicate(timeout=60)[0]
        self.assertEqual(stages.returncode, 130, output)
        with self.assertRaises(ProcessLookupError):
            os.kill(int((self.folder / "pid").read_text()), 0)


if __name__ == "__main__":
    unittest.main()
