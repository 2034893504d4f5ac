"""The operator's command line, with the tables and queues of a stack."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import deploy
from build import OPERATE, copied
from project import STATE, Problem


def environment(endpoint: str, outputs: Mapping[str, str]) -> dict[str, str]:
    """Where `operate` finds a stack, as environment variables."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "ADMIN_USERS_TABLE": outputs["AdminUsersTableName"],
        "BRANDS_TABLE": outputs["BrandsTableName"],
        "CIRCUITS_TABLE": outputs["CircuitsTableName"],
        "BRAND_EVENTS_QUEUE_URL": outputs["BrandEventsQueueUrl"],
        "BRAND_EVENTS_DLQ_URL": outputs["BrandEventsDeadLetterQueueUrl"],
    }


def create_admin(endpoint: str, outputs: Mapping[str, str], email: str, password: str) -> str:
    """Creates a user who may sign in and returns the user's id."""
    variables = os.environ | environment(endpoint, outputs)
    with _executable() as operate:
        command = [operate, "create-admin", "--email", email]
        done = subprocess.run(command, env=variables, input=password, capture_output=True, text=True)
    if done.returncode:
        raise Problem(done.stderr.strip())
    return done.stdout.strip()


def operate(endpoint: str, stack: str | None, arguments: Sequence[str]) -> int:
    """Runs `operate` on a stack of the emulator, `run`'s where none is named; returns its exit status."""
    variables = os.environ | environment(endpoint, deploy.outputs(endpoint, stack or deploy.STACK))
    with _executable() as operate:
        return subprocess.run([operate, *arguments], env=variables).returncode


@contextmanager
def _executable() -> Iterator[str]:
    """A copy of the executable, which a build may replace meanwhile."""
    STATE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="operate-", dir=STATE) as folder:
        yield copied(OPERATE, Path(folder))
