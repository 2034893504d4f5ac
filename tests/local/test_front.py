"""Which requests the emulator's front refuses; tests/infra/test_pages.py tries them on one that runs."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "infra" / "local"))

from front import refusal  # noqa: E402

OWN = "127.0.0.1:4566"
FUNCTIONS, API = "/2015-03-31/functions", "/_aws/execute-api/abcdef01/admin/brands"


def refused(path: str, host: str | None = OWN, **headers: str) -> bool:
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if host is not None:
        given.append((b"host", host.encode()))
    return refusal(path, "http", given) is not None


class AFront(unittest.TestCase):
    """The check of a request."""

    def test_clients_and_the_emulators_own_pages_pass(self) -> None:
        self.assertFalse(refused(FUNCTIONS))
        self.assertFalse(refused(FUNCTIONS, host=None))
        for host in (OWN, "localhost:4566", "LOCALHOST", "[::1]:4566", "bucket.s3.localhost:4566"):
            self.assertFalse(refused(FUNCTIONS, host), host)
            self.assertFalse(refused(FUNCTIONS, host, origin=f"http://{host}", sec_fetch_site="same-origin"), host)
        self.assertFalse(refused("/_ministack/health", sec_fetch_site="none"), "typed into the browser")

    def test_pages_of_another_origin_or_site_are_refused(self) -> None:
        others = ("http://localhost:3000", "http://127.0.0.1:4567", f"https://{OWN}")
        for origin in ("https://evil.example", "null", "", *others):
            self.assertTrue(refused(FUNCTIONS, origin=origin), origin)
        for site in ("cross-site", "same-site", "CROSS-SITE", "new"):
            self.assertTrue(refused(FUNCTIONS, sec_fetch_site=site), site)

    def test_a_host_that_is_not_this_machine_is_refused_also_by_the_api(self) -> None:
        others = ("127.0.0.1.evil.example", "localhost.evil.example", "192.168.1.2", "")
        for host in ("evil.example", "evil.example:4566", *others):
            for path in (FUNCTIONS, API):
                self.assertTrue(refused(path, host, origin=f"http://{host}"), host)

    def test_pages_reach_the_deployed_api_whatever_their_origin_and_nothing_that_looks_like_it(self) -> None:
        foreign = {"origin": "https://evil.example", "sec_fetch_site": "cross-site"}
        self.assertFalse(refused(API, **foreign))
        for api in ("", "id", "/x"):
            self.assertTrue(refused(f"/_aws/execute-api/{api}", **foreign), api)
        for path in ("/x/_aws/execute-api/a/b", "/"):
            self.assertTrue(refused(path, **foreign), path)


if __name__ == "__main__":
    unittest.main()
