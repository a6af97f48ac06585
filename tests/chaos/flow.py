"""Images that flow through a platform over real servers, and what each must end as."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from fovea.kernel.v1.recognition_pb2 import Recognition
from infra.local.kafka import KafkaServer
from infra.local.minio import MinioServer
from infra.local.server import running
from services.runtime.event_log.kafka import KafkaLog
from services.runtime.event_log.ports import EventLog
from services.runtime.topics import TOPICS
from tests.chaos.clients import Sender, Watcher
from tests.chaos.ledger import Balance, Evidence, balance
from tests.chaos.platform import Platform, started
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.waiting import eventually, unless_missing

PATIENCE_S: Final = 180.0
_LABELS: Final = sorted(COLOURS)
_BATCH: Final = "batch"


class Flow:
    """Some images of one collection, each with a recognition id; several may show the same picture.

    Args:
        platform: It recognises them.
        kafka: Its brokers.
        pictures: How many different ones.
        images: How many images.
    """

    def __init__(self, platform: Platform, kafka: str, *, pictures: int, images: int) -> None:
        self.platform = platform
        self.kafka = kafka
        self.calls = Calls(platform.target, collection="flowers")
        self.calls.create_collection()
        self.calls.remember([(label, png(label, seed=900)) for label in _LABELS])
        self.pictures = [png(_LABELS[number % len(_LABELS)], seed=number) for number in range(pictures)]
        self.undisturbed = list(_recognized(self.calls, self.pictures))
        shown = {f"image-{number}": number % pictures for number in range(images)}
        self.evidence = Evidence()
        self.expected = {name: self.undisturbed[number] for name, number in shown.items()}
        self.sender = Sender(
            self.calls, _BATCH, {name: self.pictures[number] for name, number in shown.items()}
        )
        self.watcher = Watcher(self.calls, self.evidence)

    def wait_shown(self, names: Collection[str]) -> None:
        """Wait until the watcher was shown all of these, or nothing has come for a long time."""
        missing = self._missing(names)
        while missing:
            try:
                missing = eventually(partial(self._fewer_than, len(missing), names), timeout_s=PATIENCE_S)
            except AssertionError:
                return  # the ledger says which are lost

    def _missing(self, names: Collection[str]) -> list[str]:
        return [name for name in names if name not in self.evidence.shown]

    def _fewer_than(self, count: int, names: Collection[str]) -> list[str] | None:
        missing = self._missing(names)
        return missing if len(missing) < count else None

    @contextmanager
    def log(self) -> Iterator[EventLog]:
        """Open the event log that the platform uses."""
        with closing(KafkaLog(self.kafka, TOPICS.settings())) as log:
            yield log

    def balance(self) -> Balance:
        """Look from every side, and draw the balance of what was accepted at the streaming door."""
        self.evidence.ask(self.calls, self.sender.accepted)
        with self.log() as log:
            self.evidence.read(log, self.calls.key.collection)
        return balance(self.sender.accepted, self.evidence, self.expected)

    def counted_s(self) -> float:
        """Return how long counting the batch takes. Raises AssertionError if the count is wrong."""
        began_s = time.monotonic()
        progress = self.calls.submission(_BATCH)
        took_s = time.monotonic() - began_s
        ended = progress.completed + progress.failed
        if not progress.accepted == ended == len(self.expected):
            raise AssertionError(f"{len(self.expected)} were handed in, and GetSubmission says {progress}")
        return took_s


@contextmanager
def flowing(folder: Path, *, pictures: int, images: int) -> Iterator[Flow]:
    """Start Kafka, MinIO and the five services, and see what each picture gives while nothing happens."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(running(server, folder / server.name))
            for server in (KafkaServer(), MinioServer())
        ]
        settings = {name: value for server in servers for name, value in server.settings.items()}
        platform = stack.enter_context(started(folder, settings))
        flow = Flow(platform, settings["FOVEA_KAFKA_SERVERS"], pictures=pictures, images=images)
        stack.enter_context(flow.calls)
        yield flow


def _recognized(calls: Calls, pictures: list[bytes]) -> Iterator[Recognition]:
    images = {f"undisturbed-{number}": picture for number, picture in enumerate(pictures)}
    list(calls.submit(images, submission_id="undisturbed"))
    for name in images:
        yield eventually(partial(unless_missing, partial(calls.recognition, name)))
