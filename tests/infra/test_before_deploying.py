"""What is refused before anything is deployed, and which parameters are taken."""

import os
import struct
import subprocess
import sys
import unittest
from pathlib import Path
from unittest.mock import patch

from template import ROOT  # it finds what is tested, too

import binaries
import processes
import sam
import settings
from project import Problem
from stacks import Stack, Target
from steps import next_steps

TEMPLATE = """
Parameters:
  CmsUrl: { Type: String, Description: the CMS }
  CmsApiKey: { Type: String, NoEcho: true }
  LogLevel: { Type: String, Default: info }
  Days: { Type: Number, Default: 30 }
  Release: { Type: String, Default: "" }
Resources:
  Bucket: { Type: !Ref Whatever, Name: !Sub "${A}" }
"""


def executable(machine: int, *versions: str) -> bytes:
    strings = b"\0".join([b"", b"libc.so.6", *(f"GLIBC_{version}".encode() for version in versions), b""])
    return b"\x7fELF" + bytes(14) + struct.pack("<H", machine) + bytes(40) + strings


class AnExecutable(unittest.TestCase):
    def test_that_lambdas_system_can_run_is_taken(self) -> None:
        self.assertIsNone(binaries.problem_of(executable(0x3E, "2.2.5", "2.17", "2.34"), "x86_64"))
        self.assertIsNone(binaries.problem_of(executable(0xB7, "2.17"), "arm64"))

    def test_that_asks_for_a_newer_c_library_is_refused(self) -> None:
        for version in ("2.35", "2.41", "3.0"):
            problem = binaries.problem_of(executable(0x3E, "2.17", version), "x86_64") or ""
            self.assertIn(f"asks for glibc {version}, and Lambda's system has 2.34", problem)
            self.assertIn("make deploy", problem)

    def test_for_another_processor_is_refused(self) -> None:
        self.assertIn("is not for arm64", binaries.problem_of(executable(0x3E, "2.17"), "arm64") or "")

    def test_for_another_system_is_refused(self) -> None:
        self.assertIn("no executable for Linux", binaries.problem_of(b"\xcf\xfa\xed\xfe" + bytes(60), "x86_64") or "")


class TheFilesOfACommand(unittest.TestCase):
    """Among them are the parameters with the API key."""

    def command(self, program: str) -> "subprocess.Popen[str]":
        start = f"import sys; sys.path += {[str(ROOT / 'infra' / name) for name in ('deploy', 'local')]!r}\n"
        start += "import time, tools\n"
        command = [sys.executable, "-c", start + program]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def test_are_its_own_and_go_with_it_even_if_it_was_killed(self) -> None:
        (ROOT / "target" / "deploy").mkdir(parents=True, exist_ok=True)
        waiting = "print(tools.workplace(), flush=True); time.sleep(60)"
        commands = [self.command(waiting) for _ in range(2)]
        folders = [Path(command.stdout.readline().strip()) for command in commands if command.stdout]
        self.assertNotEqual(*folders)
        self.assertTrue(all(folder.is_dir() and folder.stat().st_mode & 0o777 == 0o700 for folder in folders))
        commands[0].kill()
        for command in (commands[0], self.command("tools.workplace()")):
            command.communicate()
        self.assertEqual([folder.is_dir() for folder in folders], [False, True])
        commands[1].kill()
        commands[1].communicate()
        self.command("tools.workplace()").communicate()
        self.assertFalse(folders[1].is_dir())


class AParameter(unittest.TestCase):
    def test_is_what_the_command_line_says_then_samconfig_then_the_stack_then_the_template(self) -> None:
        stack = Stack(
            "CREATE_COMPLETE", {"CmsUrl": "https://stack", "LogLevel": "warn", "CmsApiKey": "****", "Gone": "1"}, {}
        )
        settled = settings.settled(TEMPLATE, stack, ["CmsUrl=https://samconfig"], ["CmsUrl=https://x?a=b"])
        self.assertEqual(settled, {"CmsUrl": "https://x?a=b", "LogLevel": "warn", "Days": "30"})

    def test_that_is_missing_is_asked_for(self) -> None:
        with self.assertRaisesRegex(Problem, "PARAMETERS='CmsUrl=…'"):
            settings.settled(TEMPLATE, None, [])

    def test_that_is_misspelt_is_refused(self) -> None:
        with self.assertRaisesRegex(Problem, "CmsURL: no parameter of the template; it has CmsUrl"):
            settings.settled(TEMPLATE, None, ["CmsURL=https://x"])

    def test_that_would_be_refused_later_is_refused_at_once(self) -> None:
        text = (ROOT / "infra" / "template.yaml").read_text()
        for given, problem in (
            ("SyncBrandMemory=1e3", "must be a whole number"),
            ("SyncBrandMemory=512.5", "must be a whole number"),
            ("SyncBrandMemory=64", "must be 128 or more, and at most 10240"),
            ("LogRetentionDays=2", "must be one of 1, 3, 5"),
            ("SyncBrandMaximumConcurrency=1", "must be 0 (no limit), or a number from 2 to 1000"),
            ("Stage=", "must be small letters"),
            ('LogLevel="', "must be a level, or directives"),
            ("CmsUrl=https://me:secret@cms.example.com", "no user name or password"),
            ("SyncRetryMaxSeconds=59", "must be no less than SyncRetryFirstSeconds, which is 60"),
        ):
            with self.subTest(given), self.assertRaises(Problem) as refused:
                settings.settled(text, None, ["CmsUrl=stub:"], [given])
            self.assertIn(f"{given}: ", str(refused.exception))
            self.assertIn(problem, str(refused.exception))
        self.assertEqual(settings.settled(text, None, ["CmsUrl=stub:"])["Stage"], "production")

    def test_that_the_deployment_sets_is_refused(self) -> None:
        with self.assertRaisesRegex(Problem, "Release is set by the deployment"):
            settings.settled(TEMPLATE, None, ["CmsUrl=https://x", "Release=abc"])

    def test_that_is_secret_is_refused_on_the_command_line(self) -> None:
        with self.assertRaisesRegex(Problem, "CMS_API_KEY in the environment"):
            settings.settled(TEMPLATE, None, ["CmsApiKey=secret"])


class ATarget(unittest.TestCase):
    def test_that_does_not_answer_or_has_no_port_is_a_problem_in_one_line(self) -> None:
        [closed] = processes.free_ports(1)
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
        for port, expected in (
            (str(closed), "cannot tell which account this is: start the emulator with `make run`"),
            ("80000", "LOCAL_PORT: '80000' is not a port"),
            ("nonsense", "LOCAL_PORT: 'nonsense' is not a port"),
        ):
            with self.subTest(port), patch.dict(os.environ, keys | {"LOCAL_PORT": port}):
                with self.assertRaisesRegex(Problem, f"^{expected}.*$"):
                    Target.of("local", "")


class TheOutput(unittest.TestCase):
    def test_names_the_resources_that_failed_with_their_reasons_the_first_one_first(self) -> None:
        events = [
            {"LogicalResourceId": "Stack", "ResourceStatus": "ROLLBACK_IN_PROGRESS"},
            {
                "LogicalResourceId": "Other",
                "ResourceStatus": "CREATE_FAILED",
                "ResourceStatusReason": "Resource creation cancelled",
            },
            {"LogicalResourceId": "Late", "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "no such group"},
            {"LogicalResourceId": "Early", "ResourceStatus": "UPDATE_FAILED"},
        ]
        expected = ["  UPDATE_FAILED  Early no reason given", "  CREATE_FAILED  Late no such group"]
        self.assertEqual(list(sam.failures(events)), expected)

    def test_ends_with_what_to_type_next_on_aws(self) -> None:
        target = Target("default", "another", "111122223333", "eu-central-1", lambda _: None, [])
        steps = next_steps(target, {"ApiUrl": "https://api.example.com", "AdminUsersTableName": "users"})
        self.assertIn("curl https://api.example.com/health\n", steps)
        self.assertIn("operate -- create-admin --email admin@example.com --table users\n", steps)
        self.assertIn("make delete CONFIRM=another STACK=another\n", steps)
        self.assertNotIn("local", steps)


if __name__ == "__main__":
    unittest.main()
