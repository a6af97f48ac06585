"""How soon `fovea serve` is ready, and how much memory it holds: empty, and with 10,000 exemplars.

One picture is taught as usual. The others are written straight into the event log before Fovea starts, as
encoding would have written them: a random vector of the same size each. What is measured is the start, the
replay of the log, and the memory, on a warm file cache.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.measure import resident_bytes
from benchmarks.pictures import photograph
from benchmarks.table import megabytes, table
from examples.serving import serving
from fovea import Client
from fovea.client import Exemplar
from fovea.client.memory import Embedding
from fovea.encoding.v1.events_pb2 import ExemplarEncoded
from fovea.kernel.v1 import embedding_pb2
from fovea.kernel.v1.envelope_pb2 import CollectionKey
from fovea.kernel.v1.exemplar_pb2 import EncodedExemplar
from services.runtime.backbone import open_backbone
from services.runtime.events import EventWriter
from services.runtime.publisher import Publisher
from services.runtime.settings import ProcessSettings
from services.runtime.topics import TOPICS

_STARTS = 5
_EXEMPLARS = 10_000
_AT_ONCE = 500
_ASKED = 20


@dataclass(frozen=True)
class Start:
    """One start; `used_bytes` is what is held after some recognitions."""

    exemplars: int
    ready_s: float
    ready_bytes: int
    used_bytes: int


def measure() -> list[list[Start]]:
    """Start with one exemplar and with many, several times each."""
    with tempfile.TemporaryDirectory(prefix="fovea-bench-") as folder:
        data = Path(folder) / "data"
        taught = _teach_one(data)
        few = [_start(data, count) for count in range(_STARTS)]
        _stock(data, taught)
        return [few, [_start(data, _STARTS + count) for count in range(_STARTS)]]


def report(found: list[list[Start]]) -> str:
    """Return the result as a table of medians."""
    head = ("exemplars", "ready s", "slowest", "goal", "RSS ready", "RSS used", "goal")
    rows = [_row(starts) for starts in found]
    return f"start of all services in one process, median of {_STARTS}\n{table(head, rows)}"


def _row(starts: list[Start]) -> tuple[str, ...]:
    ready = [one.ready_s for one in starts]
    return (
        f"{starts[0].exemplars:,}",
        f"{statistics.median(ready):.2f}",
        f"{max(ready):.2f}",
        "<= 5",
        megabytes(statistics.median(one.ready_bytes for one in starts)),
        megabytes(statistics.median(one.used_bytes for one in starts)),
        "<= 1,500 MB",
    )


def _start(data: Path, number: int) -> Start:
    with serving(data=data) as server, Client(server.target) as client:
        ready_bytes = resident_bytes(server.pid)
        exemplars = sum(label.exemplars for label in client.labels())
        for place in range(_ASKED):
            client.recognize(photograph(number * _ASKED + place + 1))
        return Start(exemplars, server.ready_s, ready_bytes, resident_bytes(server.pid))


def _teach_one(data: Path) -> Exemplar:
    with serving(data=data) as server, Client(server.target) as client:
        client.teach_image("class 0", photograph(0))
        return next(client.export())


def _stock(data: Path, taught: Exemplar) -> None:
    """Write all exemplars but the one that was taught."""
    messages = _others(taught)
    with open_backbone(ProcessSettings.load(data_folder=data)) as backbone:
        publisher = Publisher(backbone.log, EventWriter(TOPICS, producer="benchmark"))
        while some := list(islice(messages, _AT_ONCE)):
            publisher.publish(*some)


def _others(taught: Exemplar) -> Iterator[ExemplarEncoded]:
    random = np.random.default_rng(0)
    for place in range(1, _EXEMPLARS):
        vectors = [_drawn(random, embedding) for embedding in taught.embeddings]
        message = ExemplarEncoded(
            collection=CollectionKey(tenant="default", collection="default"),
            exemplar=EncodedExemplar(exemplar=taught.raw, embeddings=vectors),
        )
        message.exemplar.exemplar.exemplar_id = f"exemplar-{place}"
        message.exemplar.exemplar.label = f"class {place}"
        yield message


def _drawn(random: np.random.Generator, like: Embedding) -> embedding_pb2.Embedding:
    vector = random.standard_normal(len(like.vector), dtype=np.float32)
    vector /= np.linalg.norm(vector)
    return embedding_pb2.Embedding(vector=vector.tobytes(), encoder=like.encoder, space=like.space)


if __name__ == "__main__":
    print(report(measure()))
