"""Runs a loop whose handler is killed by one of its events, as by a fault in native code.

Beside it runs a loop over another topic, whose events take a while; the deadly one dies while one of those is
at work, if it can.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from fovea.gateway.v1.events_pb2 import ExemplarSubmitted, ImageSubmitted
from fovea.segmentation.v1.events_pb2 import RegionsProposed
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.event_loop import EventLoop, Platform, Subscription
from services.runtime.events import Tombstone
from services.runtime.topics import TOPICS
from tests.unit.runtime.event_loop.platforms import IN, OUT, name_of, propose

BESIDE_IN, BESIDE_OUT = "exemplars.submitted", "exemplars.encoded"
BESIDE_S = 0.5
_beside = threading.Event()


def handle(event: ImageSubmitted) -> RegionsProposed:
    if name_of(event) == "poison":
        _beside.wait(BESIDE_S)
        os.kill(os.getpid(), signal.SIGKILL)
    return propose(event)


def handle_beside(event: ExemplarSubmitted) -> Tombstone:
    _beside.set()
    time.sleep(BESIDE_S)
    _beside.clear()
    return Tombstone(BESIDE_OUT, f"default/birds/{event.exemplar_id}")


def main() -> None:
    """End when as many events have an end as the second argument says."""
    log = SqliteLog(Path(sys.argv[1]), TOPICS.settings())
    platform = Platform(log, TOPICS, "segmentation", "0.1.0")
    loops = [
        EventLoop(Subscription(IN, "segmentation", handle), platform),
        EventLoop(Subscription(BESIDE_IN, "segmentation", handle_beside), platform),
    ]
    for loop in loops:
        loop.start()
    ends = [OUT, f"{IN}.dead", BESIDE_OUT, f"{BESIDE_IN}.dead"]
    while sum(offset for topic in ends for offset in log.end_offsets(topic).values()) < int(sys.argv[2]):
        time.sleep(0.01)
    for loop in loops:
        loop.stop()
        loop.join(10.0)
    log.close()


if __name__ == "__main__":
    main()
