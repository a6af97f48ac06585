"""The five services over Kafka with models that sleep: how near they come to their slowest stage alone.

Images are handed in at the streaming door. Encoding is the slowest stage: its models take a known time and no
processor. When events were published is read from the log.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Final

from benchmarks.kafka_hop import waits_s
from benchmarks.kafka_sides import BARE_TOPICS, bare
from benchmarks.sleeping_encoding import COST
from benchmarks.table import milliseconds, table
from fovea.ranking.v1.events_pb2 import RecognitionCompleted
from infra.local.kafka import KafkaServer
from infra.local.server import running
from services.runtime.event_log.kafka import KafkaLog
from services.runtime.event_log.ports import Record
from services.runtime.events import RECOGNITION_ID
from services.runtime.topics import TOPICS
from tests.chaos.platform import started
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS, png

ROUNDS: Final = 5
IMAGES: Final = 240  # of a round
SINGLE: Final = 20  # images of a round that come one by one
MODEL_S: Final = 0.1
AT_ONCE: Final = 4
HOPS: Final = 4  # gateway -> segmentation -> encoding -> retrieval -> ranking
_LABELS: Final = sorted(COLOURS)
_PATIENCE_S: Final = 120.0
_FIRST, _LAST = "images.submitted", "recognitions.completed"


@dataclass(frozen=True)
class Passed:
    """One image: when its event and that of its record were published, and what each stage took."""

    name: str
    ended_s: float
    stages_s: Mapping[str, float]
    began_s: float = 0.0


@dataclass(frozen=True)
class Found:
    """What was measured, a figure of each round.

    Args:
        per_s: Records a second while encoding always had work.
        encoding_s: What encoding says that one image takes, when images come one by one.
        waited_s: From the event of an image to that of its record, when images come one by one.
        stages_s: Of that, what the stages say that they took.
        hop_s: From before publishing to the handler with the bare client, for one hop.
    """

    per_s: list[float]
    encoding_s: list[float]
    waited_s: list[float]
    stages_s: list[float]
    hop_s: list[float]

    def add(self, at_once: Sequence[Passed], one_by_one: Sequence[Passed], hop_s: float) -> None:
        """Add a round."""
        self.per_s.append(_per_s(at_once))
        self.encoding_s.append(statistics.median(one.stages_s["encoding"] for one in one_by_one))
        self.waited_s.append(statistics.median(one.ended_s - one.began_s for one in one_by_one))
        self.stages_s.append(statistics.median(sum(one.stages_s.values()) for one in one_by_one))
        self.hop_s.append(hop_s)


def measure(*, rounds: int = ROUNDS, images: int = IMAGES) -> Found:
    """Start a broker and the five services, and send images through them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(running(KafkaServer(), folder / "kafka"))
        servers = server.settings["FOVEA_KAFKA_SERVERS"]
        log = stack.enter_context(closing(KafkaLog(servers, {**TOPICS.settings(), **BARE_TOPICS})))
        slow = {
            COST: str(MODEL_S),
            "FOVEA_IMAGES_AT_ONCE": str(AT_ONCE),
            "FOVEA_KEPT_REGIONS": "0",
        }
        modules = {"encoding": "benchmarks.sleeping_encoding"}
        platform = stack.enter_context(started(folder, {**server.settings, **slow}, modules))
        calls = stack.enter_context(Calls(platform.target, collection="pipeline"))
        calls.create_collection()
        calls.remember([(label, png(label, seed=900)) for label in _LABELS])
        hop = stack.enter_context(bare(servers, topic="bare.read"))
        return _rounds(log, calls, lambda: waits_s(hop, 2.0)[0], rounds=rounds, images=images)


def report(found: Found) -> str:
    """Return the result as two tables."""
    limit, per_s = AT_ONCE / MODEL_S, statistics.median(found.per_s)
    alone = AT_ONCE / statistics.median(found.encoding_s)
    rates = [
        ("the models alone, by arithmetic", f"{limit:.1f}", f"{per_s / limit:.2f}"),
        ("encoding alone, by its own account", f"{alone:.1f}", f"{per_s / alone:.2f}"),
        ("the whole pipeline", f"{per_s:.1f}", ""),
    ]
    waited_s, stages_s, hop_s = map(statistics.median, (found.waited_s, found.stages_s, found.hop_s))
    waits = [
        ("from the image's event to its record's", milliseconds(waited_s)),
        ("the stages' own time", milliseconds(stages_s)),
        (f"{HOPS} hops of the bare client", milliseconds(HOPS * hop_s)),
        ("added", milliseconds(waited_s - stages_s - HOPS * hop_s)),
    ]
    spread = (max(found.per_s) - min(found.per_s)) / per_s
    return (
        f"{AT_ONCE} images of {1000 * MODEL_S:.0f} ms at once; spread of rounds {100 * spread:.0f} %\n"
        f"{table(('images a second (goal >= 0.90 of the slowest stage)', '', 'pipeline over it'), rates)}\n\n"
        f"{table(('one image, ms (goal: added <= 5)', ''), waits)}"
    )


def _rounds(log: KafkaLog, calls: Calls, hop_s: Callable[[], float], *, rounds: int, images: int) -> Found:
    pictures = (png(_LABELS[number % 3], seed=number) for number in itertools.count())
    found = Found([], [], [], [], [])
    for turn in range(rounds + 1):
        at_once = _sent_through(log, calls, [next(pictures) for _ in range(images)])
        one_by_one = [passed for _ in range(SINGLE) for passed in _sent_through(log, calls, [next(pictures)])]
        hop = hop_s()
        if turn:  # the first does not count
            found.add(at_once, one_by_one, hop)
    return found


def _sent_through(log: KafkaLog, calls: Calls, pictures: Sequence[bytes]) -> list[Passed]:
    """Hand images in, and return what became of each, in the order of their ends."""
    images = {uuid.uuid4().hex: picture for picture in pictures}
    began_s: dict[str, float] = {}
    passed: list[Passed] = []
    end_s = time.monotonic() + _PATIENCE_S
    with log.tail([_FIRST, _LAST]) as tail:
        if failed := [answer for answer in calls.submit(images) if not answer.HasField("receipt")]:
            raise RuntimeError(f"{len(failed)} images were refused: {failed[0]}")
        while len(passed) < len(images):
            if time.monotonic() > end_s:
                raise TimeoutError(f"{len(images) - len(passed)} of {len(images)} images did not end")
            for record in tail.poll(0.1, most=100):
                name = record.headers[RECOGNITION_ID]
                if record.position.topic == _FIRST:
                    began_s[name] = record.timestamp_s
                elif name in images:
                    passed.append(Passed(name, record.timestamp_s, _stages_s(record)))
    return [replace(one, began_s=began_s[one.name]) for one in sorted(passed, key=attrgetter("ended_s"))]


def _stages_s(record: Record) -> Mapping[str, float]:
    event = RecognitionCompleted.FromString(record.value or b"")
    return {stage.name: stage.duration_s for stage in event.recognition.envelope.stages}


def _per_s(passed: Sequence[Passed]) -> float:
    """Return the rate while every partition has work: neither at the beginning nor towards the end."""
    middle = passed[len(passed) // 10 : 6 * len(passed) // 10]
    return (len(middle) - 1) / (middle[-1].ended_s - middle[0].ended_s)


if __name__ == "__main__":
    print(report(measure()))
