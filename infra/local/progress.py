"""Saying what is being done, and how long it took."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_timings: list[tuple[str, float]] = []


@contextmanager
def phase(name: str, what: str) -> Iterator[None]:
    """Announces a phase and takes its time. On stderr: stdout is for what was asked for."""
    print(f"{name}: {what}", file=sys.stderr, flush=True)
    start = time.monotonic()
    yield
    _timings.append((name, time.monotonic() - start))


def timings() -> str:
    """How long each phase took."""
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in _timings)
