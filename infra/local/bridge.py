"""The bridge, which drives watched functions where the emulator does not: from the queue and on schedules."""

import os

import template
from build import BRIDGE, copied
from places import Places
from processes import Process

LOG = "bridge.log"


def started(places: Places, queue_url: str) -> Process:
    """Starts it, for the template's event source mapping and schedules."""
    consumer = template.consumer()
    schedules = ("=".join(filter(None, (one.function, one.rate, one.input))) for one in template.schedules())
    command = [
        copied(BRIDGE, places.state),
        *("--functions", str(places.watch_url)),
        *("--queue-url", queue_url),
        *("--consumer", consumer.function),
        *("--batch-size", str(consumer.batch_size)),
        *(word for schedule in schedules for word in ("--schedule", schedule)),
    ]
    environment = {**os.environ, "AWS_ENDPOINT_URL": places.endpoint}
    # A batch that is in flight is waited for, but not for long.
    return Process("the bridge", command, environment, places.logs / LOG, grace=5)
