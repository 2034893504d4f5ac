"""The webhooks that Payload sends are signed as steer-sync expects it: python3 -B tests/cms/test_hooks.py

It starts a Payload server (run.py), whose collections have the hooks of infra/OPERATIONS.md, and a listener in place of
the API. Left out without Node.js.
"""

import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import threading
import time
import unittest
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import nodejs  # noqa: E402

SECRET = "a secret of the webhooks"
ID = "01a20c70-a8c0-79f3-97c8-60a35459a718"
AWAITED_SECONDS = 30


class Listener(BaseHTTPRequestHandler):
    """Takes the place of POST /hooks/cms."""

    heard: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append((self.headers["X-Signature"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@unittest.skipIf(nodejs.missing(), f"nothing was tried with Payload: {nodejs.missing()}")
class Payload(unittest.TestCase):
    def test_tells_what_becomes_of_an_entry_and_signs_it(self) -> None:
        server = HTTPServer(("127.0.0.1", 0), Listener)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        hook = {"HOOK_URL": f"http://127.0.0.1:{server.server_port}/hooks/cms", "HOOK_SECRET": SECRET}
        command = [sys.executable, "-B", str(HERE / "run.py"), "payload", "--", sys.executable, "-B", __file__, "edit"]
        subprocess.run(command, env=os.environ | hook, check=True)
        expected: list[dict[str, Any]] = [
            {"id": ID, "name": "Acme", "deleted": False},
            {"id": ID, "name": "Söhne & Co", "deleted": False},
            {"id": ID, "name": "Söhne & Co", "deleted": True},
            {"id": None, "name": "Initech", "deleted": False},
        ]
        until = time.monotonic() + AWAITED_SECONDS
        while len(Listener.heard) < len(expected) and time.monotonic() < until:
            time.sleep(0.1)
        told = [json.loads(body) for _, body in Listener.heard]
        self.assertEqual(sorted(told, key=json.dumps), sorted(expected, key=json.dumps))
        for header, body in Listener.heard:
            parts = re.fullmatch(r"t=([0-9]+),v1=([0-9a-f]{64})", header)
            assert parts, header
            self.assertLess(abs(time.time() - int(parts[1])), 300)
            code = hmac.new(SECRET.encode(), parts[1].encode() + b"." + body, hashlib.sha256)
            self.assertEqual(code.hexdigest(), parts[2])


def edit() -> None:
    """Creates, renames and deletes an entry of a brand, and creates one without a brand's id."""
    cms = os.environ["CMS_URL"].removeprefix("payload+")

    def send(method: str, path: str, fields: dict[str, Any]) -> None:
        headers = {
            "Authorization": f"users API-Key {os.environ['CMS_API_KEY']}",
            "Content-Type": "application/json",
        }
        request = urllib.request.Request(f"{cms}/api/{path}", json.dumps(fields).encode(), headers, method=method)
        urllib.request.urlopen(request, timeout=20).close()

    send("POST", "brands", {"id": ID, "name": "Acme", "_status": "published"})
    send("PATCH", f"brands/{ID}", {"name": "Söhne & Co"})
    send("DELETE", f"brands/{ID}", {})
    send("POST", "labels", {"title": "Initech"})


if __name__ == "__main__":
    edit() if sys.argv[1:] == ["edit"] else unittest.main()
