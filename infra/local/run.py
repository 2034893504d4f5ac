"""`make run` and `make watch`: the stack, one brand's way through it, and then the logs until Ctrl-C."""

import json
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from typing import Any

import admin
import cms
import follow
import places
import processes
import stack
from build import build
from logs import Line, as_medusa, in_order
from one_at_a_time import only_run
from progress import phase, timings
from project import Problem
from session import Session, told

BRAND = "Acme"
HEARD = "Processing brand.created"
SYNCED = "brand synced"
REFUSED = "sync refused"


def run(once: bool, watched: bool) -> None:
    """Serves until interrupted; with `once`, ends when the brand is shown; `watched` builds anew what is saved."""
    with only_run(), ExitStack() as exits:
        chosen, chosen_cms = places.of_the_one_run(watched), cms.of_the_one_run()
        with phase("build", "the functions and the stub CMS"):
            build()
        running = exits.enter_context(stack.started(chosen, chosen_cms))
        with phase("sign-in", f"POST {running.api_url}/auth/user/emailpass"):
            signed_in = admin.signed_in(running)
        session = Session(running.endpoint, running.outputs, signed_in.token, chosen_cms.is_stub, chosen.watch_port)
        exits.enter_context(told(session))
        follower = _Follower(session)
        with phase("sync", f"POST {running.api_url}/admin/brands"):
            brand = _create_brand(running, signed_in, follower)
            _await_brand(running, brand, follower)
        print(_how_to_go_on(running, signed_in, chosen), flush=True)
        if not once:
            _serve(running, follower)


class _Follower:
    """Prints what is new in the logs."""

    def __init__(self, session: Session) -> None:
        self._logs = follow.of_session(session)
        self._cms = self._logs.pop("cms", None)
        for log in (self._cms, self._logs.get("cargo")):
            if log:
                log.read()  # of the start nothing is shown

    def show_functions(self) -> list[Line]:
        """Shows what is new of the functions, and answers it."""
        lines = in_order(self._logs.values())
        self.show(lines)
        return lines

    def read_cms(self) -> list[Line]:
        """What the stub CMS logged since; another's log is not here."""
        return self._cms.read() if self._cms else []

    def show(self, lines: list[Line]) -> None:
        for line in lines:
            print(as_medusa(line), flush=True)


def _serve(running: stack.Stack, follower: _Follower) -> None:
    """Shows the logs until told to end, which is how serving is meant to end."""
    try:
        while True:
            # What the CMS logged before the wait goes behind the invocation that caused it, logged when that ends.
            before = follower.read_cms()
            time.sleep(0.5)
            follower.show_functions()
            follower.show(before)
            running.check()
    except KeyboardInterrupt:
        print("\nstopping")


def _create_brand(running: stack.Stack, signed_in: admin.Admin, follower: _Follower) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{running.api_url}/admin/brands",
        json.dumps({"name": BRAND}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {signed_in.token}"},
    )
    start = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    except OSError as error:
        running.check()
        raise Problem(f"the API does not answer: {error}") from error
    print(f"http:    POST /admin/brands ← - ({status}) - {(time.monotonic() - start) * 1000:.3f} ms", flush=True)
    if status != 200:
        follower.show_functions()
        raise Problem(
            f"the API answered {status} {body.decode(errors='replace')}: see the logs in target/local/logs/run"
        )
    brand: dict[str, Any] = json.loads(body)["brand"]
    return brand


def _await_brand(running: stack.Stack, brand: dict[str, Any], follower: _Follower) -> None:
    """Waits until the CMS holds the brand and the logs show it. For a CMS that is not the stub the logs have to do."""
    lines: list[Line] = []

    def arrived() -> dict[str, Any] | None:
        lines.extend(follower.show_functions())
        if not running.cms.is_stub:
            return {name: brand[name] for name in ("id", "name")} if is_synced(brand["id"], lines) else None
        heard = any(HEARD in line.text for line in lines)
        held = json.loads(processes.get(f"{running.cms.url}/brands") or "{}").get("brands", [])
        return next((entry for entry in held if heard and entry["id"] == brand["id"]), None)

    held = processes.await_that(arrived, f"the brand {BRAND} in the CMS", 120, *running.processes)
    follower.show(follower.read_cms())
    print(f"The CMS holds {json.dumps(held)}")


def is_synced(brand_id: str, lines: list[Line]) -> bool:
    """Whether the lines say that the brand is synced; a problem if they say that the CMS refused it."""
    entries = [line.entry["fields"] for line in lines if line.entry]
    messages = [fields.get("message", "") for fields in entries if fields.get("brand.id") == brand_id]
    if any(message.startswith(REFUSED) for message in messages):
        raise Problem(f"the CMS refused the brand {BRAND}: see above")
    return SYNCED in messages


def _how_to_go_on(running: stack.Stack, signed_in: admin.Admin, chosen: places.Places) -> str:
    brands = running.outputs["BrandsTableName"]
    return f"""
Ready. {timings()}

  the console       {running.api_url}/app
  administrator     {signed_in.email}, password {signed_in.password}
  token, 24 hours   TOKEN={signed_in.token}
  create a brand    curl -H "Authorization: Bearer $TOKEN" -d '{{"name": "Globex"}}' {running.api_url}/admin/brands
{_when_watched(running) if chosen.watch_port else ""}\
{_where_brands_arrive(running)}
  look around       python3 infra/local aws dynamodb scan --table-name {brands}
  all logs          make logs{"" if chosen.watch_port else "; an invocation's lines appear when it has ended"}
  stop              Ctrl-C, or make stop
"""


def _where_brands_arrive(running: stack.Stack) -> str:
    url = running.cms.url
    if not running.cms.is_stub:
        return f"  your CMS          {url}"
    return f"""\
  ask the CMS       curl {url}/brands
  its API key       CMS_KEY={running.cms.api_key}"""


def _when_watched(running: stack.Stack) -> str:
    gateway = running.emulators_api_url
    return """\
  change it         save a file, such as functions/create-brand/src/lib.rs: until `ready:` the old code answers
  one function      make invoke FUNCTION=create-brand EVENT=events/api-gateway-create-brand.json
""" + (f"  by API Gateway    {gateway}/admin/brands\n" if gateway else "")
