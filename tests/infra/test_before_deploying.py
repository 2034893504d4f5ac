"""What is refused before anything is deployed, and which parameters are taken."""

import os
import struct
import unittest
from unittest.mock import patch

import template  # noqa: F401 (it finds what is tested)

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
