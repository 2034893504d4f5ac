"""What is wrong with a command, or where nothing runs, is said in a line, before anything is built."""

import errno
import os
import socket
import subprocess
import sys
import unittest
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra" / "local"))

import cms  # noqa: E402
import command_line  # noqa: E402
import follow  # noqa: E402
import invoke  # noqa: E402
import places  # noqa: E402
import processes  # noqa: E402
import session  # noqa: E402
from project import Problem  # noqa: E402


class Addresses(unittest.TestCase):
    """Those that the developer chooses."""

    def test_a_port_that_is_none_is_refused(self) -> None:
        for variable in ("LOCAL_PORT", "WATCH_PORT"):
            for text in ("80000", "0", "-1", "nonsense", "", "٣"):
                free = [str(port) for port in processes.free_ports(2)]
                chosen = {"LOCAL_PORT": free[0], "WATCH_PORT": free[1]} | {variable: text}
                with self.subTest(variable, text=text), patch.dict(os.environ, chosen):
                    with self.assertRaisesRegex(Problem, f"^{variable}: .* is not a port"):
                        places.of_the_one_run(watched=True)

    def test_an_address_where_the_stub_could_not_listen_is_refused(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            for address, expected in (
                ("nonsense", "is not an IP address and a port, such as 127.0.0.1:4601"),
                ("127.0.0.1", "is not an IP address and a port"),
                ("localhost:4601", "is not an IP address and a port"),
                ("::1:4601", "is not an IP address and a port"),
                ("127.0.0.1:80000", "'80000' is not a port"),
                ("192.0.2.1:4601", "192.0.2.1, port 4601: .*choose another: CMS_STUB_ADDRESS=127.0.0.1:4601"),
                ("127.0.0.1:%d" % taken.getsockname()[1], "address already in use"),
            ):
                with self.subTest(address), self.assertRaisesRegex(Problem, expected):
                    cms.check_address(address)
        [free] = processes.free_ports(1)
        cms.check_address(f"127.0.0.1:{free}")


class Commands(unittest.TestCase):
    """The command line."""

    def test_where_no_stack_answers_each_operators_command_says_how_to_start_one(self) -> None:
        [closed] = processes.free_ports(1)
        for command in ("create-admin", "parked", "nonsense"):
            said = self.fails("operate", "--", command, LOCAL_PORT=str(closed))
            self.assertRegex(said, rf"^no stack brand-sync at http://127.0.0.1:{closed}: start one with `make run` .*$")
        said = self.fails("operate", "--stack", "another", "--", "parked", LOCAL_PORT=str(closed))
        self.assertRegex(said, "^no stack another at .*: deploy it with `make deploy TO=local` .*$")

    def fails(self, *arguments: str, **variables: str) -> str:
        """Runs the command, and answers what it said."""
        command = [sys.executable, "infra/local", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        return done.stderr.strip()

    def test_where_the_checkout_cannot_be_written_to_that_is_said(self) -> None:
        refused = OSError(errno.EROFS, "Read-only file system", "target/local")
        with patch.object(command_line, "_command", side_effect=refused), patch("sys.stderr") as stderr:
            with patch.object(sys, "argv", ["infra/local", "run"]):
                self.assertEqual(command_line.main(), 1)
        said = "".join(call.args[0] for call in stderr.write.call_args_list)
        self.assertRegex(said, "^target/local: read-only file system: .*\n$")

    def test_another_error_keeps_its_traceback(self) -> None:
        with patch.object(command_line, "_command", side_effect=OSError(errno.EPIPE, "Broken pipe")):
            with patch.object(sys, "argv", ["infra/local", "run"]), self.assertRaises(OSError):
                command_line.main()


class ASessionWhoseEmulatorIsGone(unittest.TestCase):
    """Logs and functions of it."""

    def setUp(self) -> None:
        [self.closed] = processes.free_ports(1)

    def told(self, watch_port: int | None) -> None:
        running = session.Session(f"http://127.0.0.1:{self.closed}", {}, "token", True, watch_port)
        patched = patch.object(session, "current", return_value=running)
        patched.start()
        self.addCleanup(patched.stop)

    def test_has_no_logs_and_that_is_said(self) -> None:
        self.told(None)
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
        with patch.dict(os.environ, keys), self.assertRaisesRegex(Problem, "^the emulator does not answer: make stop"):
            follow.follow(None)

    def test_a_function_that_is_none_and_an_event_that_cannot_be_read_are_named(self) -> None:
        self.told(self.closed)
        with self.assertRaisesRegex(Problem, "^nonsense: no such function: choose one of .*create-brand"):
            invoke.invoke("nonsense", "events/api-gateway-create-brand.json")
        for event, reason in (("nonsense", "No such file"), ("events", "Is a directory"), (sys.executable, "not text")):
            with self.subTest(event), self.assertRaisesRegex(Problem, f"^{event}: .*{reason}.*: name a file"):
                invoke.invoke("create-brand", event)


if __name__ == "__main__":
    unittest.main()
