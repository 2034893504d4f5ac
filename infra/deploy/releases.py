"""Releases: what was deployed, each an object in a bucket beside the code that it names.

A release is the packaged template, whose code is named by its content, and all parameters but secrets. Its id is a
digest of both, so the same has the same id.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import ClientError

from project import Problem
from stacks import Target


@dataclass(frozen=True)
class Release:
    """What was deployed."""

    id: str
    made_at: str
    commit: str
    settings: dict[str, str]
    template: str


def id_of(template: str, settings: Mapping[str, str]) -> str:
    """The digest, as the template's parameter Release takes it."""
    return hashlib.sha256(json.dumps([template, dict(settings)], sort_keys=True).encode()).hexdigest()[:12]


class Releases:
    """The bucket. It outlives the stack."""

    def __init__(self, target: Target) -> None:
        self.bucket = f"brand-sync-releases-{target.account}-{target.region}"
        self.code = f"{target.stack}/code"  # a prefix
        self._prefix = f"{target.stack}/releases/"
        self._region = target.region
        self._s3 = target.client("s3")

    def prepare(self) -> None:
        """Makes the bucket, if there is none."""
        try:
            self._s3.head_bucket(Bucket=self.bucket)
            return
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
                raise Problem(f"the bucket {self.bucket}: {error}") from error
        where: dict[str, Any] = {}
        if self._region != "us-east-1":  # which may not be named
            where = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        self._s3.create_bucket(Bucket=self.bucket, **where)
        blocks = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        self._s3.put_public_access_block(Bucket=self.bucket, PublicAccessBlockConfiguration=dict.fromkeys(blocks, True))

    def keep(self, release: Release) -> None:
        """Keeps a release. One that is kept stays as it is."""
        if release.id not in self._ids():
            self._s3.put_object(
                Bucket=self.bucket, Key=self._key(release.id), Body=json.dumps(asdict(release)).encode()
            )

    def get(self, id: str) -> Release:
        """The release of that id; a problem that lists them if there is none."""
        if id not in self._ids():
            known = "\n".join(f"  {release.id}  {release.made_at}  {release.commit}" for release in self.all())
            raise Problem(
                f"there is no release {id!r}\n{known}" if id else f"which one? make rollback RELEASE=…\n{known}"
            )
        return self._read(id)

    def all(self) -> list[Release]:
        """All releases, the newest first."""
        return sorted(map(self._read, self._ids()), key=lambda release: release.made_at, reverse=True)

    def _read(self, id: str) -> Release:
        return Release(**json.load(self._s3.get_object(Bucket=self.bucket, Key=self._key(id))["Body"]))

    def _key(self, id: str) -> str:
        return f"{self._prefix}{id}.json"

    def _ids(self) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self._prefix)
        try:
            keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchBucket":
                raise Problem("nothing was deployed yet: make deploy") from error
            raise
        return [key.removeprefix(self._prefix).removesuffix(".json") for key in keys]
