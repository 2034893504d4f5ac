"""Records the functions' AWS calls, and corrects two permission checks of the emulator that differ from AWS.

ministack checks every signed request with `iam_evaluator.enforce`, which returns None if the policies allow it. The
recorder wraps that function: it sees each request's role, action and resource, but not its body.
tests/infra/test_calls.py compares the record with the policies.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

PATH = "/_calls"  # where the emulator serves the record, a JSON list


@dataclass(frozen=True)
class Call:
    """A call that a role made. Equal calls are recorded once, so the record stays small."""

    role: str
    action: str
    resource: str
    leading_keys: tuple[str, ...] = ()
    """The partition keys in DynamoDB, kept only if the role's policy has a condition for the table."""
    refused: bool = False


_CALLS: set[Call] = set()


def install() -> None:
    """Patches the emulator in this process. Its modules look up these functions on each request."""
    from ministack.core import iam_actions, iam_evaluator

    iam_actions.extract_iam_action = _with_actions_of_aws(iam_actions.extract_iam_action)
    iam_actions.dynamodb_service_context = _with_leading_keys(iam_actions.dynamodb_service_context)
    iam_evaluator.enforce = _recorded(iam_evaluator.enforce)


def _with_actions_of_aws(extract: Callable[..., str | None]) -> Callable[..., str | None]:
    # On AWS, sqs:SendMessage authorises batches, too; an action sqs:SendMessageBatch does not exist.
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
    def action(service: str, *request: Any) -> str | None:
        found = extract(service, *request)
        return found.removesuffix("Batch") if found and service == "sqs" else found

    return action


def _with_leading_keys(context: Callable[[bytes], dict[str, Any]]) -> Callable[[bytes], dict[str, Any]]:
    # The emulator does not set dynamodb:LeadingKeys, so every condition on it would hold.
    def with_keys(body: bytes) -> dict[str, Any]:
        from ministack.services import dynamodb

        if not (found := context(body)):
            return found  # not a JSON object
        request = json.loads(body or b"{}")
        table = dynamodb._tables.get(request.get("TableName"))
        key = (request.get("Key") or request.get("Item") or {}).get(table["pk_name"]) if table else None
        return found | {"dynamodb:LeadingKeys": list(key.values())} if key else found

    return with_keys


def _recorded(enforce: Callable[..., Any]) -> Callable[..., Any]:
    from ministack.core.iam_evaluator import PrincipalInfo, resolve_principal
    from ministack.core.responses import get_account_id

    def recorded(
        access_key: str,
        action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        refusal = enforce(access_key, action, service, region, resource_arn, service_context)
        principal = resolve_principal(access_key or "", get_account_id())
        if isinstance(principal, PrincipalInfo) and principal.type == "AssumedRole":
            statements = [statement for policy in principal.policies or [] for statement in policy]
            is_conditional = any(one.conditions and resource_arn in one.resources for one in statements)
            keys = (service_context or {}).get("dynamodb:LeadingKeys", []) if is_conditional else []
            role = principal.arn.split("/")[1]  # arn:aws:sts::ACCOUNT:assumed-role/ROLE/FUNCTION
            _CALLS.add(Call(role, action, resource_arn, tuple(keys), refusal is not None))
        return refusal

    return recorded


def with_record(app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Wraps the application and serves the record at PATH."""

    async def answering(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            return await app(scope, receive, send)
        body = json.dumps([asdict(call) for call in list(_CALLS)]).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answering
