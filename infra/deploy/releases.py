"""Releases of a stack. Each is an object in a bucket, stored beside the code that it refers to.

A release is the packaged template, which refers to code by digest, and all parameters except secrets. Every deployment
that changes something is a new release with its own id, even with old code: Lambda publishes a version only if the
function differs from the last version.
"""

import hashlib
import json
import re
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from project import Problem
from stacks import Target

KEPT = 20
"""How many releases of a stack are kept. Older ones are deleted, with the code that only they refer to."""
# An object that no release refers to may belong to a deployment in progress.
_UNNAMED_KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True)
class Release:
    """One deployment's template and parameters."""

    id: str
    made_at: str
    commit: str
    settings: dict[str, str]
    template: str

    @classmethod
    def new(cls, template: str, settings: Mapping[str, str], commit: str) -> "Release":
        """Creates a release with a unique id: hexadecimal digits, which the template's parameter Release accepts."""
        made_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        content = json.dumps([made_at, template, dict(settings)], sort_keys=True)
        return cls(hashlib.sha256(content.encode()).hexdigest()[:12], made_at, commit, dict(settings), template)

    def is_of(self, template: str, settings: Mapping[str, str]) -> bool:
        """Whether it has exactly this template and these parameters."""
        return self.template == template and self.settings == settings


class Releases:
    """A stack's releases. All stacks of an account and region share one bucket, which outlives them."""

    def __init__(self, target: Target) -> None:
        self._stack = target.stack
        self.code = f"{target.stack}/code"  # a prefix
        self.templates = f"{target.stack}/templates"  # a prefix
        self._prefix = f"{target.stack}/releases/"
        self._region = target.region
        self._options = target.options
        self._s3 = target.client("s3")
        self._account = target.account
        self._s3.meta.events.register("provide-client-params.s3", self._with_owner)

    def _with_owner(self, params: dict[str, Any], model: Any, **_: Any) -> dict[str, Any]:
        """Makes S3 refuse each call to a bucket of another account."""
        owner = {"ExpectedBucketOwner": self._account}
        return params | (owner if "ExpectedBucketOwner" in model.input_shape.members else {})

    @property
    def bucket(self) -> str:
        """The bucket's name; raises a Problem if there is no bucket."""
        if found := self.find_bucket():
            return found
        raise Problem(f"nothing was deployed yet: make deploy{self._options}")

    def find_bucket(self) -> str | None:
        """The bucket's name, if there is one."""
        # S3 lists only the account's own buckets. If two first deployments each created one, both use the older.
        found = self._s3.list_buckets(Prefix=f"brand-sync-releases-{self._region}-", BucketRegion=self._region)
        buckets = sorted(found.get("Buckets", []), key=lambda one: (one["CreationDate"], one["Name"]))
        return str(buckets[0]["Name"]) if buckets else None

    def prepare(self) -> str:
        """Creates the bucket if there is none, denies public access and requests without TLS, and returns its name."""
        if not self.find_bucket():
            where: dict[str, Any] = {}
            if self._region != "us-east-1":  # S3 rejects this one as a constraint
                where = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
            # Bucket names are global: others could take a predictable one in advance.
            self._s3.create_bucket(Bucket=f"brand-sync-releases-{self._region}-{secrets.token_hex(8)}", **where)
        bucket = self.bucket
        blocks = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        self._s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(blocks, True))
        if self._s3.meta.endpoint_url.startswith("https:"):  # the emulator lacks TLS, so it would refuse every request
            self._s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(self._only_encrypted(bucket)))
        return bucket

    def _only_encrypted(self, bucket: str) -> dict[str, Any]:
        arn = f"arn:{self._s3.meta.partition}:s3:::{bucket}"
        statement = {
            "Sid": "OnlyEncrypted",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        return {"Version": "2012-10-17", "Statement": [statement]}

    def keep(self, release: Release) -> None:
        """Stores a release and deletes the oldest ones."""
        body = json.dumps(asdict(release)).encode()
        self._s3.put_object(Bucket=self.bucket, Key=self._key(release.id), Body=body)
        self.drop(datetime.now(UTC) - _UNNAMED_KEPT_FOR)

    def drop(self, unnamed_since: datetime) -> None:
        """Deletes all but the newest releases, and objects older than `unnamed_since` that those do not refer to."""
        releases = self.all()
        kept = "".join(release.template for release in releases[:KEPT])
        dropped = [self._key(release.id) for release in releases[KEPT:]]
        bucket = self.bucket
        for prefix in (self.code, self.templates):
            objects = self._objects(bucket, f"{prefix}/")
            dropped += [
                one["Key"] for one in objects if one["Key"] not in kept and one["LastModified"] < unnamed_since
            ]
        self._delete(bucket, dropped)

    def delete(self) -> int:
        """Deletes all the stack's objects in the bucket and returns their number."""
        bucket = self.bucket
        keys = [one["Key"] for one in self._objects(bucket, f"{self._stack}/")]
        self._delete(bucket, keys)
        return len(keys)

    def _delete(self, bucket: str, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), 1000):  # S3's limit for one request
            objects = [{"Key": key} for key in keys[start : start + 1000]]
            answer = self._s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            if errors := answer.get("Errors"):
                raise Problem(f"the bucket {bucket}: {errors[0]['Key']}: {errors[0]['Message']}")

    def delete_bucket(self) -> None:
        """Deletes the bucket if there is one and it is empty."""
        try:
            if bucket := self.find_bucket():
                self._s3.delete_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] != "BucketNotEmpty":
                raise

    def find(self, id: str | None) -> Release | None:
        """The release with that id, if it is kept."""
        bucket = self.find_bucket()
        return self._read(bucket, self._key(id)) if bucket and id in self._ids(bucket) else None

    def get(self, id: str) -> Release:
        """The release with that id; raises a Problem that lists all releases if there is none."""
        if found := self.find(id):
            return found
        known = "\n".join(f"  {release.id}  {release.made_at}  {release.commit}" for release in self.all())
        which = f"which one? make rollback RELEASE=…{self._options}"
        raise Problem(f"there is no release {id!r}\n{known}" if id else f"{which}\n{known}")

    def all(self) -> list[Release]:
        """All releases, newest first."""
        bucket = self.bucket
        releases = filter(None, (self._read(bucket, self._key(id)) for id in self._ids(bucket)))
        return sorted(releases, key=lambda release: (release.made_at, release.id), reverse=True)

    def _read(self, bucket: str, key: str) -> Release | None:
        """The release in an object; None, with a warning, if it holds something else."""
        try:
            release = Release(**json.load(self._s3.get_object(Bucket=bucket, Key=key)["Body"]))
            if any(not isinstance(value, str) for value in (release.id, release.made_at, release.template)):
                raise TypeError("a field has another type")
        except (TypeError, ValueError):
            print(f"s3://{bucket}/{key} is not a release: skipped", file=sys.stderr, flush=True)
            return None
        return release

    def _key(self, id: str | None) -> str:
        return f"{self._prefix}{id}.json"

    def _ids(self, bucket: str) -> list[str]:
        names = (one["Key"].removeprefix(self._prefix) for one in self._objects(bucket, self._prefix))
        return [name.removesuffix(".json") for name in names if re.fullmatch(r"[0-9a-f]+\.json", name)]

    def _objects(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        pages: Iterable[dict[str, Any]] = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix
        )
        for page in pages:
            yield from page.get("Contents", [])
