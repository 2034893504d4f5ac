"""The functions under `cargo lambda watch`: built anew when a file is saved, and invoked over HTTP."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import template
from build import FEATURES
from places import Places
from processes import Process, await_that, get
from progress import phase
from project import HERE, ROOT

LOG = "cargo.log"
FUNCTION_LOGS = "functions"
# As long as Lambda's longest invocation: one that comes while its function is being built waits for that.
_PATIENCE = 900


@contextmanager
def started(places: Places, environment: Mapping[str, str]) -> Iterator[Process]:
    """Watches all functions, which have that environment, and waits until they answer."""
    template.check_router()
    logs = places.logs / FUNCTION_LOGS
    logs.mkdir()
    # A relative path: this is read as TOML, where a path of Windows's or with quotes would have to be escaped.
    runner = f'target."cfg(all())".runner = ["sh", "{(HERE / "watched.sh").relative_to(ROOT)}"]'
    command = [
        "cargo",
        "lambda",
        "watch",
        *FEATURES,
        *("--config", runner),
        *("--invoke-address", "127.0.0.1"),  # it listens on every interface otherwise
        *("--invoke-port", str(places.watch_port)),
        *("--timeout", str(_PATIENCE)),
        "--disable-cors",  # it would let pages of any origin use the API; on AWS none may, by default
    ]
    variables = {
        # What the developer says of the CMS reaches the functions by the template alone.
        **{name: value for name, value in os.environ.items() if not name.startswith("CMS_")},
        **environment,
        "AWS_ENDPOINT_URL": places.endpoint,
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "FUNCTION_LOGS": str(logs),
        "FUNCTION_RUST_LOG": environment["RUST_LOG"],
        # cargo-lambda's own. Its watcher complains of each process that it ends itself.
        "RUST_LOG": "error,watchexec=off,cargo_lambda_watch::watcher=off",
    }
    # It starts each function in a session of its own and ends it when it is asked to end itself: so it is asked.
    with Process("cargo lambda watch", command, variables, places.logs / LOG, grace=10) as process:
        with phase("watch", f"the functions on {places.watch_url}"):
            await_that(lambda: get(f"{places.watch_url}/health", 60), "the functions answer", 180, process)
        yield process
