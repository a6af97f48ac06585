"""Runs a loop whose handler is killed by one of its events, as by a fault in native code."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from fovea.gateway.v1.events_pb2 import ImageSubmitted
from fovea.segmentation.v1.events_pb2 import RegionsProposed
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.event_loop import EventLoop, Platform, Subscription
from services.runtime.topics import TOPICS
from tests.unit.runtime.event_loop.platforms import IN, OUT, name_of, propose


def handle(event: ImageSubmitted) -> RegionsProposed:
    if name_of(event) == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    return propose(event)


def main() -> None:
    """End when as many events are proposed or dead as the second argument says."""
    log = SqliteLog(Path(sys.argv[1]), TOPICS.settings())
    loop = EventLoop(Subscription(IN, "segmentation", handle), Platform(log, TOPICS, "segmentation", "0.1.0"))
    loop.start()
    while sum(log.end_offsets(OUT).values()) + log.end_offsets(f"{IN}.dead")[0] < int(sys.argv[2]):
        time.sleep(0.01)
    loop.stop()
    loop.join(10.0)
    log.close()


if __name__ == "__main__":
    main()
