"""The deployed system beside the browser: the API, the stub CMS, the table and the queue."""

import json
import os
import secrets
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

API_URL = os.environ["API_URL"]
TOKEN = os.environ["ADMIN_TOKEN"]
EMAIL, PASSWORD = os.environ["ADMIN_EMAIL"], os.environ["ADMIN_PASSWORD"]
PATIENCE = 120  # seconds; the sweep comes once a minute

# What an emulator of AWS wants to see; it does not look at the signature.
_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
)
_SHARDS = 8  # of the index of lists
_BATCH = 25  # the most rows of one BatchWriteItem


def _send(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    request = urllib.request.Request(
        url, None if body is None else json.dumps(body).encode(), headers or {}, method=method
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def api(method: str, path: str, body: Any = None) -> Any:
    """Asks the API as the administrator."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    return _send(method, f"{API_URL}/{path}", body, headers)


def create(name: str) -> str:
    """Creates a brand and returns its id."""
    return api("POST", "admin/brands", {"name": name})["brand"]["id"]


def count(name: str) -> int:
    """How many brands have that in their name."""
    return api("GET", f"admin/brands?{urlencode({'q': name, 'limit': 0})}")["count"]


def unique(name: str) -> str:
    """A name that no other test uses."""
    return f"{name} {secrets.token_hex(4)}"


def until(what: str, condition: Callable[[], Any]) -> Any:
    """Waits until the condition holds, and returns what it returned."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not happen within {PATIENCE} s: {what}")
        time.sleep(0.1)
    return value


def until_state(id: str, *states: str) -> None:
    """Waits until the sync of that brand is in one of the states."""
    path = f"admin/brands/{id}?fields=sync"
    until(f"{id} is {states}", lambda: api("GET", path)["brand"]["sync"]["state"] in states)


def set_faults(*rules: dict[str, Any]) -> None:
    """Makes the stub CMS fail so."""
    headers = {"Authorization": f"Bearer {os.environ['CMS_API_KEY']}", "Content-Type": "application/json"}
    _send("PUT", f"{os.environ['CMS_URL']}/faults", list(rules), headers)


def rename_in_cms(id: str, name: str) -> None:
    """Renames the entry of a brand in the stub CMS, as an editor."""
    headers = {"Authorization": f"Bearer {os.environ['CMS_API_KEY']}", "Content-Type": "application/json"}
    _send("PUT", f"{os.environ['CMS_URL']}/editor/brands/{id}", {"name": name}, headers)


def create_waiting(name: str) -> str:
    """Creates a brand that waits, since the CMS is away for it until `set_faults()`. Returns its id."""
    set_faults({"operation": "create", "name": name, "kind": "transient"})
    id = create(name)

    def waits() -> bool:
        sync = api("GET", f"admin/brands/{id}?fields=sync")["brand"]["sync"]
        return sync["state"] == "waiting" and sync["attempts"] > 0

    until(f"{id} waits", waits)
    return id


def sync_again(id: str) -> None:
    """Takes a brand up again."""
    api("POST", f"admin/brands/{id}/sync")


def close_circuit() -> None:
    """Closes the circuit, where it is open."""
    if api("GET", "admin/cms")["cms"]["circuit"]["state"] == "open":
        api("POST", "admin/cms/circuit", {"state": "closed", "reason": "the next test begins"})


def _aws(service: str, target: str, body: Any) -> Any:
    headers = {"Authorization": _AUTHORIZATION.format(service), "X-Amz-Target": target}
    headers["Content-Type"] = "application/x-amz-json-1.0"
    return _send("POST", os.environ["AWS_ENDPOINT_URL"], body, headers)


def send_message(body: str) -> None:
    """Sends a message to the functions' queue."""
    message = {"QueueUrl": os.environ["BRAND_EVENTS_QUEUE_URL"], "MessageBody": body}
    _aws("sqs", "AmazonSQS.SendMessage", message)


def write_synced_brands(names: Iterable[str], first: datetime) -> list[str]:
    """Writes rows of brands that the CMS has, a second apart, straight into the table: the API would take minutes. Returns their ids."""
    rows = [_synced_row(name, first + timedelta(seconds=number)) for number, name in enumerate(names)]
    _write_in_batches([{"PutRequest": {"Item": row}} for row in rows])
    return [row["id"]["S"] for row in rows]


def delete_rows(ids: Iterable[str]) -> None:
    """Deletes rows straight from the table: the emulator gets slow with many."""
    _write_in_batches([{"DeleteRequest": {"Key": {"id": {"S": id}}}} for id in ids])


def _write_in_batches(requests: list[dict[str, Any]]) -> None:
    table = os.environ["BRANDS_TABLE"]
    for begin in range(0, len(requests), _BATCH):
        body = {"RequestItems": {table: requests[begin : begin + _BATCH]}}
        answer = _aws("dynamodb", "DynamoDB_20120810.BatchWriteItem", body)
        assert not answer.get("UnprocessedItems"), answer


def _synced_row(name: str, created: datetime) -> dict[str, Any]:
    """As `new_row` in shared/brand/src/dynamodb/row.rs makes it, but not due, and reached by the subscriber."""
    milliseconds = int(created.timestamp() * 1000)
    id = uuid.UUID(int=milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62))
    at = created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {
        "id": {"S": str(id)},
        "name": {"S": name},
        "version": {"N": "1"},
        "created_at": {"S": at},
        "updated_at": {"S": at},
        "listed_shard": {"S": str(id.bytes[-1] % _SHARDS)},
        "sync_cms": {"M": {"reached": {"N": "1"}, "holds": {"M": {"name": {"S": name}}}}},
    }
