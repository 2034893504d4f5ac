"""The session of `make run`, which holds a token, ends with the process that told it."""

import contextlib
import io
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest.mock import patch

LOCAL = Path(__file__).resolve().parents[2] / "infra" / "local"
sys.path.insert(0, str(LOCAL))

import one_at_a_time  # noqa: E402
import session  # noqa: E402
from project import Problem  # noqa: E402

# A runner that tells its session and waits.
RUNNER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import one_at_a_time, session
folder = Path(sys.argv[2])
one_at_a_time.STATE, one_at_a_time.PID_FILE, one_at_a_time.SESSION = folder, folder / "run.pid", folder / "session.json"
with one_at_a_time.only_run(), session.told(session.Session("http://127.0.0.1:1", {}, "the token", True, None)):
    print("told", flush=True)
    time.sleep(60)
"""


class ASession(unittest.TestCase):
    """One that a runner in another process tells."""

    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        folder = Path(place.name)
        self.file = folder / "session.json"
        for name, value in {"STATE": folder, "PID_FILE": folder / "run.pid", "SESSION": self.file}.items():
            patched = patch.object(one_at_a_time, name, value)
            patched.start()
            self.addCleanup(patched.stop)
        self.folder = folder

    def runner(self) -> "subprocess.Popen[bytes]":
        runner = subprocess.Popen([sys.executable, "-B", "-c", RUNNER, LOCAL, self.folder], stdout=subprocess.PIPE)
        assert runner.stdout
        self.addCleanup(runner.stdout.close)
        self.addCleanup(runner.wait)
        self.addCleanup(runner.kill)
        self.assertEqual(runner.stdout.readline(), b"told\n")
        return runner

    def stop(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            one_at_a_time.stop()

    def test_is_current_while_its_runner_lives_and_is_for_its_owner_alone(self) -> None:
        self.assertFalse(session.is_current())
        self.runner()
        self.assertEqual(session.current().token, "the token")
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)

    def test_of_a_killed_runner_is_not_current_and_is_removed(self) -> None:
        runner = self.runner()
        runner.kill()
        runner.wait()
        self.assertTrue(self.file.exists())
        with self.assertRaisesRegex(Problem, "nothing runs here"):
            session.current()
        self.assertFalse(self.file.exists())

    def test_is_removed_by_make_stop_whether_its_runner_was_killed_or_lives(self) -> None:
        killed = self.runner()
        killed.kill()
        killed.wait()
        self.stop()
        self.assertFalse(self.file.exists())
        self.runner()
        self.stop()
        self.assertFalse(self.file.exists())

    def test_that_was_left_behind_is_not_the_next_runners(self) -> None:
        self.file.write_text("left behind")
        with one_at_a_time.only_run():
            self.assertFalse(self.file.exists())
            self.assertFalse(session.is_current())


if __name__ == "__main__":
    unittest.main()
