"""No web page in the developer's browser reaches the emulator or the stub CMS; clients do, and the API is as deployed.

python3 infra/local exec -- python3 -m unittest discover --start-directory tests/infra
"""

import base64
import io
import json
import os
import unittest
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Mapping
from contextlib import suppress

import boto3
from botocore.exceptions import ClientError

EVIL = "https://evil.example"
# What a browser adds to the request of a page; a page whose name resolves to this machine is its own origin.
PAGES = {
    "of another origin": {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"},
    "in a browser without Sec-Fetch-Site": {"Origin": EVIL},
    "in a sandbox": {"Origin": "null"},
    "of another local server": {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
    "that sends no Origin, as with an image": {"Sec-Fetch-Site": "cross-site"},
    "whose name was bound to this machine": {
        "Host": "evil.example",
        "Origin": "http://evil.example",
        "Sec-Fetch-Site": "same-origin",
    },
}
FUNCTION = "made-by-a-page"
ASSUME = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
# A page cannot set the header Authorization without asking first, but the query is its own. Any signature is taken.
SIGNED = urllib.parse.urlencode(
    {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "test/20260101/us-east-1/lambda/aws4_request",
        "X-Amz-Date": "20260101T000000Z",
        "X-Amz-Expires": "604800",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": "0" * 64,
    }
)
CODE = "def handler(event, context):\n    return 'invoked'\n"


def status(method: str, url: str, headers: Mapping[str, str], body: object = None) -> tuple[int, str]:
    """Status and body of the answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, dict(headers), method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(errors="replace")


@unittest.skipUnless("AWS_ENDPOINT_URL" in os.environ, "no emulator: make test-infra")
class Emulator(unittest.TestCase):
    """ministack behind its front."""

    def setUp(self) -> None:
        self.endpoint = os.environ["AWS_ENDPOINT_URL"]
        self.functions = f"{self.endpoint}/2015-03-31/functions"
        self.lambda_ = boto3.client("lambda", endpoint_url=self.endpoint)
        iam = boto3.client("iam", endpoint_url=self.endpoint)
        self.role = iam.create_role(RoleName=FUNCTION, AssumeRolePolicyDocument=ASSUME)["Role"]["Arn"]
        self.addCleanup(iam.delete_role, RoleName=FUNCTION)
        self.addCleanup(self.delete)

    def delete(self) -> None:
        with suppress(ClientError):  # there is none
            self.lambda_.delete_function(FunctionName=FUNCTION)

    def test_a_page_neither_creates_nor_invokes_a_function(self) -> None:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("index.py", CODE)
        function = {
            "FunctionName": FUNCTION,
            "Runtime": "python3.12",
            "Handler": "index.handler",
            "Role": self.role,
        }
        by_page = function | {"Code": {"ZipFile": base64.b64encode(archive.getvalue()).decode()}}
        plain = {"Content-Type": "text/plain"}  # as a page may send it without asking first
        for name, headers in PAGES.items():
            with self.subTest(f"a page {name} creates"):
                code, text = status("POST", f"{self.functions}?{SIGNED}", plain | headers, by_page)
                self.assertEqual(code, 403, text)
                self.assertIn("refused: ", text)
        self.lambda_.create_function(**function, Code={"ZipFile": archive.getvalue()})
        for name, headers in PAGES.items():
            with self.subTest(f"a page {name} invokes"):
                url = f"{self.functions}/{FUNCTION}/invocations?{SIGNED}"
                code, text = status("POST", url, plain | headers, {})
                self.assertEqual(code, 403, text)
        for name, headers in PAGES.items():
            with self.subTest(f"a page {name} asks first"):
                preflight = {"Access-Control-Request-Method": "DELETE"} | headers
                self.assertEqual(status("OPTIONS", f"{self.functions}/{FUNCTION}", preflight)[0], 403)
        invoked = self.lambda_.invoke(FunctionName=FUNCTION, Payload=b"{}")["Payload"].read()
        self.assertIn("invoked", invoked.decode())

    @unittest.skipUnless("API_URL" in os.environ, "no API: make test-infra")
    def test_the_api_answers_pages_of_other_origins_unless_their_host_is_foreign(self) -> None:
        url = f"{os.environ['API_URL']}/health"
        self.assertEqual(status("GET", url, {})[0], 200)
        for name, headers in PAGES.items():
            with self.subTest(f"a page {name}"):
                self.assertEqual(status("GET", url, headers)[0], 403 if "Host" in headers else 200)


@unittest.skipUnless("CMS_URL" in os.environ, "no stub CMS: make test-infra")
class StubCms(unittest.TestCase):
    """The stub as a process."""

    def test_only_a_client_with_the_key_makes_it_fail(self) -> None:
        faults, none = f"{os.environ['CMS_URL']}/faults", list[object]()
        right = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['CMS_API_KEY']}"}
        for name, headers in PAGES.items():
            with self.subTest(f"a page {name}"):
                self.assertEqual(status("POST", faults, {"Content-Type": "text/plain"} | headers, none)[0], 403)
                self.assertEqual(status("POST", faults, right | headers, none)[0], 403)
                self.assertEqual(status("GET", f"{os.environ['CMS_URL']}/brands", headers)[0], 403)
        self.assertEqual(status("POST", faults, {"Content-Type": "application/json"}, none)[0], 401)
        self.assertEqual(status("POST", faults, right | {"Content-Type": "text/plain"}, none)[0], 415)
        self.assertEqual(status("POST", faults, right, none)[0], 204)
        self.assertEqual(status("GET", f"{os.environ['CMS_URL']}/brands", {})[0], 200)


if __name__ == "__main__":
    unittest.main()
