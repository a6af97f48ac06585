"""Images that flow through a platform over real servers, and what each must end as."""

from __future__ import annotations

import hashlib
import os
import random
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from fovea.kernel.v1.recognition_pb2 import Recognition
from infra.local.kafka import KafkaServer
from infra.local.minio import MinioServer
from infra.local.server import running
from services.runtime.event_log.kafka import KafkaLog
from services.runtime.event_log.ports import EventLog, Tail
from services.runtime.object_store.minio import MinioSettings, MinioStore
from services.runtime.object_store.ports import ObjectStore
from services.runtime.topics import TOPICS
from tests.chaos.clients import Sender, Watcher
from tests.chaos.experiment import Figures
from tests.chaos.ledger import Balance, Evidence, balance
from tests.chaos.platform import Platform, started
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.processes import Program
from tests.e2e.waiting import eventually, unless_missing

PATIENCE_S: Final = 120.0
_LABELS: Final = sorted(COLOURS)
_BATCH: Final = "batch"


class Flow:
    """Some images of one collection, each with a recognition id; several may show the same picture.

    Args:
        platform: It recognises them.
        settings: Say where its servers are.
        pictures: How many different ones.
        images: How many images.
    """

    def __init__(
        self, platform: Platform, settings: Mapping[str, str], *, pictures: int, images: int
    ) -> None:
        self.platform = platform
        self.kafka = settings["FOVEA_KAFKA_SERVERS"]
        self._settings = settings
        self.calls = Calls(platform.target, collection="flowers")
        self.calls.create_collection()
        self.calls.remember([(label, _lesson(label)) for label in _LABELS])
        self.pictures = [png(_LABELS[number % len(_LABELS)], seed=number) for number in range(pictures)]
        self.undisturbed = list(_recognized(self.calls, self.pictures))
        shown = {f"image-{number}": number % pictures for number in range(images)}
        self.evidence = Evidence()
        self.expected = {name: self.undisturbed[number] for name, number in shown.items()}
        self.sender = Sender(
            self.calls, _BATCH, {name: self.pictures[number] for name, number in shown.items()}
        )
        self.watcher = Watcher(self.calls, self.evidence)

    def wait_ended(self, names: Collection[str]) -> None:
        """Wait until all have been shown and have a record, or nothing has come for a long time."""
        _patiently(lambda left: [name for name in left if name not in self.evidence.shown], names)
        _patiently(partial(self.evidence.ask, self.calls), names)

    @contextmanager
    def log(self) -> Iterator[EventLog]:
        """Open the event log that the platform uses."""
        with closing(KafkaLog(self.kafka, TOPICS.settings())) as log:
            yield log

    @contextmanager
    def store(self) -> Iterator[ObjectStore]:
        """Open the object store that the platform uses."""
        found = MinioSettings(
            self._settings["FOVEA_S3_ENDPOINT"],
            self._settings["FOVEA_S3_BUCKET"],
            self._settings["FOVEA_S3_ACCESS_KEY"],
            SecretStr(self._settings["FOVEA_S3_SECRET_KEY"]),
        )
        with closing(MinioStore(found)) as store:
            yield store

    @property
    def digests(self) -> set[str]:
        """Those of all pictures that the collection was shown."""
        shown = [*self.pictures, *map(_lesson, _LABELS)]
        return {hashlib.sha256(picture).hexdigest() for picture in shown}

    def balance(self) -> Balance:
        """Ask once more, read the log, and draw the balance of what was accepted at the streaming door."""
        self.evidence.ask(self.calls, self.sender.accepted)
        with self.log() as log:
            self.evidence.read(log, self.calls.key.collection)
        return balance(self.sender.accepted, self.evidence, self.expected)

    def counted_s(self, found: Balance) -> float:
        """Return how long counting the batch takes. Raises AssertionError if it counts what is not so."""
        began_s = time.monotonic()
        progress = self.calls.submission(_BATCH)
        took_s = time.monotonic() - began_s
        ended = progress.completed + progress.failed + len(found.lost)
        if not progress.accepted == ended == len(self.sender.accepted):
            raise AssertionError(f"{len(self.sender.accepted)} were accepted; GetSubmission says {progress}")
        return took_s


def lines_with(program: Program, some: Collection[str]) -> int:
    """Return how many lines of a program's log have any of these in them."""
    return sum(any(said in line for said in some) for line in program.log().splitlines())


def wait_at_work(done: Tail) -> None:
    """Wait until both of two processes have done something of a topic's four partitions, with more to do."""
    partitions: set[int] = set()
    end_s = time.monotonic() + PATIENCE_S
    while len(partitions) < 3 and time.monotonic() < end_s:
        partitions |= {record.position.partition for record in done.poll(0.1, most=1)}


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
        flow = Flow(platform, settings, pictures=pictures, images=images)
        stack.enter_context(flow.calls)
        yield flow


def _lesson(label: str) -> bytes:
    return png(label, seed=900)


def _patiently(missing: Callable[[Collection[str]], Collection[str]], names: Collection[str]) -> None:
    """Wait until none is missing; what is missing when nothing has come for a long time is lost."""

    def fewer(left: Collection[str]) -> Collection[str] | None:
        now = missing(left)
        return now if len(now) < len(left) or not now else None

    left: Collection[str] = names
    with suppress(AssertionError):  # the ledger tells of it
        while left:
            left = eventually(partial(fewer, left), timeout_s=PATIENCE_S)


def _recognized(calls: Calls, pictures: list[bytes]) -> Iterator[Recognition]:
    images = {f"undisturbed-{number}": picture for number, picture in enumerate(pictures)}
    list(calls.submit(images, submission_id="undisturbed"))
    for name in images:
        yield eventually(partial(unless_missing, partial(calls.recognition, name)))


def chance_of(name: str) -> random.Random:
    """Return chance that can be had again: by the number that is printed."""
    seed = int(os.environ.get("CHAOS_SEED") or secrets.randbelow(2**32))
    print(f"CHAOS_SEED={seed} brings the same chance again ({name})", flush=True)
    return random.Random(seed)  # noqa: S311  (no secret)


def figures(fault: str, injected: int, accepted: Collection[str], found: Balance) -> Figures:
    """Return the figures of a balance, and print what is held against whom."""
    if found.text:
        print(f"{fault}: {found.text}", flush=True)
    return Figures(
        fault,
        injected,
        len(accepted),
        lost=len(found.lost),
        doubled=len(found.doubled),
        dead=len(found.dead),
        wrong=len(found.wrong),
    )
