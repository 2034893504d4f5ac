"""Starts ministack, the emulator, and keeps web pages in the developer's browser from using it.

The emulator accepts any access key and any signature, lets pages of every origin read its answers, and runs functions
as the developer. So each request is checked first. `Origin` or `Sec-Fetch-Site`, which only browsers send, reveals a
page of another origin; `Host` reveals one whose name resolves to this machine (DNS rebinding).

The deployed API is open to pages of other origins; API Gateway's CORS configuration and the token protect it.
"""

import re
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOOPBACK = re.compile(r"(127\.0\.0\.1|\[::1\]|([a-z0-9-]+\.)*localhost)(:[0-9]+)?", re.IGNORECASE)
_API = re.compile(r"/_aws/execute-api/[^/]+/.*", re.DOTALL)


def refusal(path: str, scheme: str, headers: list[tuple[bytes, bytes]]) -> str | None:
    """Why a request is refused; None if it is allowed."""

    def values(name: bytes) -> list[str]:
        return [value.decode("latin-1") for header, value in headers if header.lower() == name]

    hosts = values(b"host")
    if not all(_LOOPBACK.fullmatch(host) for host in hosts):
        return "the Host header does not name this machine: use 127.0.0.1 or localhost"
    if _API.fullmatch(path):
        return None
    if any(origin.lower() not in (f"{scheme}://{host.lower()}" for host in hosts) for origin in values(b"origin")):
        return "web pages of another origin may not use the emulator"
    if any(site not in ("same-origin", "none") for site in values(b"sec-fetch-site")):
        return "web pages of another site may not use the emulator"
    return None


def guarded(app: App) -> App:
    """Wraps the application in the check of each request."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            return await app(scope, receive, send)
        scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
        reason = refusal(scope["path"], scheme, scope["headers"])
        if reason is None:
            return await app(scope, receive, send)
        if kind == "websocket":
            await receive()
            return await send({"type": "websocket.close", "code": 1008})
        body = f"refused: {reason}\n".encode()
        headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return checked


if __name__ == "__main__":
    import ministack.app as emulator

    # Isolated (-I), Python does not search this folder. Appended last, its files cannot hide packages.
    sys.path.append(str(Path(__file__).parent))
    sys.dont_write_bytecode = True  # no __pycache__ among the sources
    import calls

    sys.path.pop()
    calls.install()
    emulator.app = guarded(calls.with_record(emulator.app))
    emulator.main()
