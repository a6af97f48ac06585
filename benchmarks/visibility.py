"""How soon a new exemplar is found: in the process that writes the log, and on two replicas over Kafka.

A memory of some size is there already. A writer publishes one exemplar after another at a steady pace. From
the moment at which the log says that it is durable, each reader asks for it with `min_memory_version`, which
waits no longer than it must, and it has to be the nearest of all.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import numpy as np
from jaxtyping import Float32

from benchmarks.table import milliseconds, table
from fovea.encoding.v1.events_pb2 import ExemplarEncoded
from fovea.kernel.v1.envelope_pb2 import RecognitionOptions
from fovea.retrieval.v1.retrieval_pb2 import RecallRequest
from fovea.retrieval.v1.retrieval_pb2_grpc import RetrievalServiceStub
from infra.local.kafka import KafkaServer
from infra.local.minio import MinioServer
from infra.local.server import running
from infra.local.stack import service, start_service, wait_service
from services.kernel.vocabulary import (
    VISUAL_SPACE,
    CollectionKey,
    Embedding,
    EncodedExemplar,
    Exemplar,
    ExemplarKind,
    RegionEmbeddings,
)
from services.retrieval.assembly import Storage, assemble
from services.retrieval.settings import RetrievalSettings
from services.runtime import memory_version
from services.runtime.codec.exemplar import write_encoded_exemplar, write_region_embeddings
from services.runtime.codec.recognition import write_collection
from services.runtime.event_log.kafka import KafkaLog
from services.runtime.event_log.ports import EventLog
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.events import EventWriter
from services.runtime.process import Process, Resources
from services.runtime.publisher import Publisher
from services.runtime.topics import TOPICS

_THERE: Final = 10_000
_WRITES: Final = 500
_PER_S: Final = 50.0
_WARM_S: Final = 5.0  # until the segments of what was there are merged and indexed
_DIM: Final = 512
_AT_ONCE: Final = 500
_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True)
class Seen:
    """One reader: for each write, the seconds from its acknowledgement until the reader had found it."""

    reader: str
    seconds: Sequence[float]
    goal_s: float

    def at(self, part: float) -> float:
        """Return the time within which this part of the writes was found."""
        return float(np.quantile(self.seconds, part))


def measure(*, there: int = _THERE, writes: int = _WRITES) -> list[Seen]:
    """Write to both logs, one after the other."""
    return [*in_one_process(there=there, writes=writes), *over_kafka(there=there, writes=writes)]


def report(found: Sequence[Seen]) -> str:
    """Return the result as a table."""
    head = ("reader", "writes", "p50 ms", "p99 ms", "slowest", "goal p99")
    rows = [
        (
            one.reader,
            str(len(one.seconds)),
            milliseconds(one.at(0.5)),
            milliseconds(one.at(0.99)),
            milliseconds(one.at(1.0)),
            f"<= {1e3 * one.goal_s:.0f}",
        )
        for one in found
    ]
    return f"{_THERE:,} exemplars of {_DIM} dimensions, {_PER_S:.0f} new ones a second\n{table(head, rows)}"


def in_one_process(*, there: int, writes: int) -> list[Seen]:
    """Write to an embedded log, and ask the retrieval service of the same process."""
    with tempfile.TemporaryDirectory(prefix="fovea-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        log = stack.enter_context(closing(SqliteLog(folder / "events.sqlite", TOPICS.settings())))
        writer = Writer(log)
        writer.write(there)
        settings = RetrievalSettings.load(port=0, admin_port=0, data_folder=folder, drain_grace_s=5.0)
        resources = Resources(log=log)
        retrieval = assemble(
            settings, log, Storage(folder / "memory"), metrics=resources.metrics, version="0"
        )
        process = Process([retrieval], settings, resources=resources)
        stack.callback(process.drain)
        port = process.start().port
        if not process.wait_until_ready(_TIMEOUT_S):
            raise TimeoutError("retrieval did not become ready")
        return seen(writer, {"same process": f"127.0.0.1:{port}"}, writes=writes, goal_s=0.020)


def over_kafka(*, there: int, writes: int) -> list[Seen]:
    """Write to Kafka, and ask two replicas in processes of their own."""
    with tempfile.TemporaryDirectory(prefix="fovea-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        kafka = stack.enter_context(running(KafkaServer(), folder / "kafka"))
        minio = stack.enter_context(running(MinioServer(), folder / "minio"))
        settings = {**kafka.settings, **minio.settings}
        servers = kafka.settings["FOVEA_KAFKA_SERVERS"]
        log = stack.enter_context(closing(KafkaLog(servers, TOPICS.settings())))
        writer = Writer(log)
        writer.write(there)
        targets = {
            f"replica {number} over Kafka": stack.enter_context(
                replica(folder / f"replica-{number}", settings)
            )
            for number in (1, 2)
        }
        return seen(writer, targets, writes=writes, goal_s=1.0)


@contextmanager
def replica(folder: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Run a retrieval service with a data folder of its own, and give its address."""
    folder.mkdir(parents=True, exist_ok=True)
    mine = {**settings, "FOVEA_PORT": "0", "FOVEA_ADMIN_PORT": "0"}
    daemon = start_service(service("retrieval", folder, mine))
    try:
        yield f"127.0.0.1:{wait_service(daemon)['port']}"
    finally:
        daemon.stop()


class Writer:
    """Publishes exemplars of one collection, each with a direction of its own, as encoding does."""

    def __init__(self, log: EventLog, collection: str = "default") -> None:
        self.collection = CollectionKey("default", collection)
        self._publisher = Publisher(log, EventWriter(TOPICS, producer="benchmark"))
        self._random = np.random.default_rng(0)
        self._count = 0

    def write(self, count: int) -> tuple[list[EncodedExemplar], str]:
        """Publish some; return them, and the memory version that has all of them."""
        written: list[EncodedExemplar] = []
        offsets: dict[int, int] = {}
        while len(written) < count:
            some = [self._next() for _ in range(min(_AT_ONCE, count - len(written)))]
            for position in self._publisher.publish(*map(self._message, some)):
                offsets[position.partition] = max(offsets.get(position.partition, 0), position.offset + 1)
            written += some
        return written, memory_version.encode(offsets)

    def _message(self, encoded: EncodedExemplar) -> ExemplarEncoded:
        return ExemplarEncoded(
            collection=write_collection(self.collection), exemplar=write_encoded_exemplar(encoded)
        )

    def _next(self) -> EncodedExemplar:
        self._count += 1
        name = f"exemplar-{self._count}"
        vector: Float32[np.ndarray, "dim"] = self._random.standard_normal(_DIM, dtype=np.float32)
        unit = vector / np.float32(np.linalg.norm(vector))
        return EncodedExemplar(
            Exemplar(name, f"label of {name}", ExemplarKind.NAME),
            (Embedding(unit, "benchmark@0", VISUAL_SPACE),),
        )


def seen(writer: Writer, targets: Mapping[str, str], *, writes: int, goal_s: float) -> list[Seen]:
    """Write at a steady pace; after each write all readers, given by name and address, ask at once."""
    seconds: dict[str, list[float]] = {name: [] for name in targets}
    with ExitStack() as stack:
        readers = {
            name: _reader(stack.enter_context(grpc.insecure_channel(target)), writer.collection)
            for name, target in targets.items()
        }
        pool = stack.enter_context(ThreadPoolExecutor(len(readers)))
        warm = round(_WARM_S * _PER_S)
        due_s = time.monotonic()
        for number in range(warm + writes):
            time.sleep(max(0.0, due_s - time.monotonic()))
            due_s = max(due_s + 1 / _PER_S, time.monotonic())
            (written,), version = writer.write(1)
            began = time.perf_counter()
            asked = {name: pool.submit(read, written, version, began) for name, read in readers.items()}
            for name, answer in asked.items():
                if number >= warm:
                    seconds[name].append(answer.result())
    return [Seen(name, tuple(taken), goal_s) for name, taken in seconds.items()]


def _reader(
    channel: grpc.Channel, collection: CollectionKey
) -> Callable[[EncodedExemplar, str, float], float]:
    stub = RetrievalServiceStub(channel)

    def read(wanted: EncodedExemplar, version: str, began: float) -> float:
        request = RecallRequest(
            collection=write_collection(collection),
            regions=[write_region_embeddings(RegionEmbeddings("0", wanted.embeddings))],
            options=RecognitionOptions(min_memory_version=version, size=1),
        )
        found = stub.Recall(request, timeout=_TIMEOUT_S)
        taken_s = time.perf_counter() - began
        labels = [candidate.label for candidate in found.regions[0].candidates]
        if labels != [wanted.exemplar.label]:
            raise AssertionError(f"{wanted.exemplar.label} was not found, but {labels}")
        return taken_s

    return read


if __name__ == "__main__":
    print(report(measure()))
