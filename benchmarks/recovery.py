"""How soon a replica serves again: after kill -9 with its own disk, with an empty one, and with nothing.

The log is a real Kafka, the snapshots are in a real MinIO. Each start is a new process on a warm file cache;
the clock runs from its start until it says that it is ready, with everything in memory that was ever taught.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.table import table
from benchmarks.visibility import Writer
from infra.local.daemons import Daemon
from infra.local.kafka import KafkaServer
from infra.local.minio import MinioServer
from infra.local.server import running
from infra.local.stack import service, start_service, wait_service
from services.runtime.event_log.kafka import KafkaLog
from services.runtime.topics import TOPICS

_KEPT: Final = 100_000
_UNFLUSHED: Final = (0, 5_000, 50_000)
_STARTS: Final = 3
_PATIENCE_S: Final = 600.0
_SELDOM: Final = {"FOVEA_MEMORY_FLUSH_RECORDS": "100000000", "FOVEA_MEMORY_FLUSH_EVERY_S": "1000000"}
_SOON: Final = {"FOVEA_MEMORY_FLUSH_EVERY_S": "0.5", "FOVEA_MEMORY_SNAPSHOT_EVERY_S": "0.5"}


@dataclass(frozen=True)
class Recovery:
    """One kind of start: what there was, what came after it, and how long it took, each time."""

    begins_with: str
    kept: int
    unflushed: int
    seconds: Sequence[float]

    @property
    def goal_s(self) -> float:
        """Two seconds, and one for each 50,000 vectors that were not yet written."""
        return 2.0 + self.unflushed / 50_000


def measure(*, kept: int = _KEPT, unflushed: Sequence[int] = _UNFLUSHED) -> list[Recovery]:
    """Have a memory kept, write some more to the log each time, and start replicas."""
    with tempfile.TemporaryDirectory(prefix="fovea-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        kafka = stack.enter_context(running(KafkaServer(), folder / "kafka"))
        minio = stack.enter_context(running(MinioServer(), folder / "minio"))
        ports = {"FOVEA_PORT": "0", "FOVEA_ADMIN_PORT": "0"}
        settings = {**kafka.settings, **minio.settings, **ports}
        log = stack.enter_context(closing(KafkaLog(settings["FOVEA_KAFKA_SERVERS"], TOPICS.settings())))
        writer = Writer(log)
        writer.write(kept)
        _keep(folder / "kept", settings)
        found, written = [], 0
        for count in unflushed:
            writer.write(count - written)
            written = count
            disk = _taken(settings, folder, lambda aside: shutil.copytree(folder / "kept" / "data", aside))
            found.append(Recovery("its own disk", kept, count, disk))
        found.append(Recovery("a snapshot", kept, written, _taken(settings, folder, lambda _: None)))
        alone = {**settings, "FOVEA_S3_BUCKET": "nothing"}
        found.append(Recovery("the log alone", 0, kept + written, _taken(alone, folder, lambda _: None)))
        return found


def report(found: Sequence[Recovery]) -> str:
    """Return the result as a table."""
    head = ("begins with", "kept", "read from the log", "ready s", "slowest", "goal")
    rows = [
        (
            one.begins_with,
            f"{one.kept:,}",
            f"{one.unflushed:,}",
            f"{statistics.median(one.seconds):.2f}",
            f"{max(one.seconds):.2f}",
            f"<= {one.goal_s:.1f}",
        )
        for one in found
    ]
    return f"start of a retrieval process, median of {_STARTS}\n{table(head, rows)}"


def _keep(folder: Path, settings: Mapping[str, str]) -> None:
    """Have a replica read the log, write it to its disk, store a snapshot, and be killed."""
    replica = _started(folder, {**settings, **_SOON})
    wait_service(replica)
    end_s = time.monotonic() + _PATIENCE_S
    while "of the memory is stored" not in replica.program.log.read_text():
        if time.monotonic() > end_s:
            raise TimeoutError("no snapshot was stored")
        time.sleep(0.1)
    replica.kill()


def _taken(settings: Mapping[str, str], folder: Path, prepare: Callable[[Path], object]) -> list[float]:
    """Return how long some starts took, each on a disk of its own that was prepared."""
    seconds = []
    for _ in range(_STARTS):
        place = folder / "replica"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        prepare(place / "data")
        began = time.perf_counter()
        replica = _started(place, {**settings, **_SELDOM, "FOVEA_MEMORY_SNAPSHOT_EVERY_S": "0"})
        try:
            wait_service(replica)
            seconds.append(time.perf_counter() - began)
        finally:
            replica.kill()
    return seconds


def _started(folder: Path, settings: Mapping[str, str]) -> Daemon:
    folder.mkdir(parents=True, exist_ok=True)
    return start_service(service("retrieval", folder, settings))


if __name__ == "__main__":
    print(report(measure()))
