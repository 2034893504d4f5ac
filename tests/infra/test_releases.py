"""The bucket of releases: its ownership, its access, and the deletion of old releases."""

import contextlib
import io
import json
import re
import unittest
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse

import template  # noqa: F401 (it finds what is tested)

from project import Problem
from releases import KEPT, Release, Releases
from stacks import Target

ACCOUNT = "111122223333"


def releases(s3: Any) -> Releases:
    return Releases(Target("default", "stack", ACCOUNT, "eu-central-1", lambda _: s3, []))


class TheBucket(unittest.TestCase):
    def setUp(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.s3 = boto3.client(
            "s3",
            region_name="eu-central-1",
            endpoint_url="https://s3.example.com",  # overrides an emulator's endpoint in the environment
            aws_access_key_id="id",
            aws_secret_access_key="secret",
        )
        self.s3.meta.events.register("before-call.s3", self.answered)
        self.releases = releases(self.s3)

    def answered(self, model: Any, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        """Answers in place of S3, and records the calls."""
        self.calls.append((model.name, params))
        if model.name == "CreateBucket":
            self.there_is(*re.findall(r"brand-sync-[\w-]+", params["url"]))
        return AWSResponse(params["url"], 200, {}, None), self.answers.get(model.name, {})

    def there_is(self, *names: str) -> None:
        times = (datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 20))
        buckets = [{"Name": name, "CreationDate": time} for name, time in zip(names, times, strict=False)]
        self.answers["ListBuckets"] = {"Buckets": buckets}

    def made(self, operation: str) -> list[dict[str, Any]]:
        return [params for name, params in self.calls if name == operation]

    def test_is_created_once_with_an_unpredictable_name(self) -> None:
        first = self.releases.prepare()
        self.assertEqual(self.releases.prepare(), first)
        self.assertEqual(len(self.made("CreateBucket")), 1)
        self.assertRegex(first, "^brand-sync-releases-eu-central-1-[0-9a-f]{16}$")
        self.answers.clear()
        self.assertNotEqual(self.releases.prepare(), first)

    def test_is_the_older_one_if_two_first_deployments_created_one_each(self) -> None:
        self.there_is("brand-sync-releases-eu-central-1-b", "brand-sync-releases-eu-central-1-a")
        self.assertEqual(self.releases.bucket, "brand-sync-releases-eu-central-1-b")

    def test_is_used_only_if_this_account_owns_it(self) -> None:
        self.releases.prepare()
        self.answers["GetObject"] = {"Body": io.BytesIO()}
        self.answers["ListObjectsV2"] = {"Contents": []}
        self.releases.keep(Release.new("", {}, ""))
        self.releases.find("0123")
        for name, params in self.calls:
            owner = params["headers"].get("x-amz-expected-bucket-owner")
            self.assertEqual(owner, None if name in ("ListBuckets", "CreateBucket") else ACCOUNT, name)
        self.assertGreaterEqual(len({name for name, _ in self.calls}), 6)

    def test_is_closed_to_the_public_and_to_requests_without_tls(self) -> None:
        bucket = self.releases.prepare()
        [policy] = self.made("PutBucketPolicy")
        [statement] = json.loads(policy["body"])["Statement"]
        self.assertEqual((statement["Effect"], statement["Principal"], statement["Action"]), ("Deny", "*", "s3:*"))
        self.assertEqual(statement["Resource"], [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"])
        self.assertEqual(statement["Condition"], {"Bool": {"aws:SecureTransport": "false"}})
        [block] = self.made("PutPublicAccessBlock")
        self.assertEqual(block["body"].count(b"true"), 4)

    def test_that_is_missing_is_a_problem_that_says_what_to_do(self) -> None:
        with self.assertRaisesRegex(Problem, "nothing was deployed yet: make deploy"):
            self.releases.all()


class Objects:
    """A bucket in memory, with the S3 operations that releases use."""

    class meta:  # noqa: N801 (botocore's name)
        endpoint_url = "https://s3.example.com"
        partition = "aws"

        class events:  # noqa: N801
            register = staticmethod(lambda *_: None)

    def __init__(self, age: timedelta) -> None:
        self.kept: dict[str, bytes] = {}
        self._time = datetime.now(UTC) - age

    def list_buckets(self, **_: Any) -> dict[str, Any]:
        return {"Buckets": [{"Name": "bucket", "CreationDate": self._time}]}

    def put_object(self, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803
        self.kept[Key] = Body

    def get_object(self, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Body": io.BytesIO(self.kept[Key])}

    def get_paginator(self, _: str) -> "Objects":
        return self

    def paginate(self, Prefix: str, **_: Any) -> list[dict[str, Any]]:  # noqa: N803
        found = [key for key in self.kept if key.startswith(Prefix)]
        return [{"Contents": [{"Key": key, "LastModified": self._time} for key in found]}]

    def delete_objects(self, Delete: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        for one in Delete["Objects"]:
            del self.kept[one["Key"]]
        return {}


class OldReleases(unittest.TestCase):
    def kept(self, age: timedelta) -> set[str]:
        """Keeps four releases too many, each with its own code and some shared code; returns the keys that are left."""
        s3 = Objects(age)
        s3.kept = {"stack/templates/t": b"", "stack/code/shared": b"", "other/code/1": b"", "stack-2/code/1": b""}
        for number in range(KEPT + 4):
            s3.kept[f"stack/code/{number:02}"] = b""
            release = Release(f"{number:02}", f"{number:02}", "", {}, f"s3://b/stack/code/{number:02} stack/code/shared")
            releases(s3).keep(release)
        return set(s3.kept)

    def test_are_deleted_with_the_code_that_only_they_refer_to(self) -> None:
        newest = [f"{number:02}" for number in range(4, KEPT + 4)]
        expected = {"stack/code/shared", "other/code/1", "stack-2/code/1"}
        expected |= {f"stack/releases/{id}.json" for id in newest} | {f"stack/code/{id}" for id in newest}
        self.assertEqual(self.kept(timedelta(days=2)), expected)

    def test_leave_recent_objects_for_a_deployment_in_progress(self) -> None:
        kept = self.kept(timedelta(hours=1))
        self.assertEqual(len([key for key in kept if key.startswith("stack/releases/")]), KEPT)
        self.assertIn("stack/code/00", kept)
        self.assertIn("stack/templates/t", kept)


class AnObjectThatIsNoRelease(unittest.TestCase):
    def test_is_skipped(self) -> None:
        s3 = Objects(timedelta(0))
        good = Release.new("", {}, "")
        releases(s3).keep(good)
        nulls = json.dumps(dict.fromkeys(("id", "made_at", "commit", "settings", "template"))).encode()
        for name, body in (("0.json", b"{"), ("1.json", b"{}"), ("2.json", b"[]"), ("3.json", nulls)):
            s3.kept[f"stack/releases/{name}"] = body
        s3.kept |= {"stack/releases/": b"", "stack/releases/4.txt": b"", "stack/releases/a/b.json": b"{}"}
        with contextlib.redirect_stderr(io.StringIO()) as warned:
            self.assertEqual(releases(s3).all(), [good])
            self.assertIsNone(releases(s3).find("1"))
        self.assertEqual(warned.getvalue().count("is not a release: skipped"), 5)


class ARelease(unittest.TestCase):
    def test_has_a_unique_id_that_the_template_accepts(self) -> None:
        one, other = Release.new("a", {"b": "c"}, ""), Release.new("a", {"b": "d"}, "")
        self.assertNotEqual(one.id, other.id)
        self.assertRegex(one.id, template.written()["Parameters"]["Release"]["AllowedPattern"])
        again = Release("0", "another time", "", one.settings, one.template)
        self.assertTrue(again.is_of("a", {"b": "c"}) and one.is_of("a", {"b": "c"}))
        self.assertFalse(one.is_of("a", {}) or one.is_of("", {"b": "c"}))


if __name__ == "__main__":
    unittest.main()
