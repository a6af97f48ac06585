"""Ranking is slow, and ten times as much comes as it can take, at both doors."""

from __future__ import annotations

import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc
import numpy as np

import fovea
from fovea.gateway.v1 import gateway_pb2
from infra.local.kafka import KafkaServer
from infra.local.server import running
from services.kernel.errors import Overloaded
from services.kernel.limits import LIMITS
from services.runtime.grpc_errors import from_rpc_error
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.platform import started
from tests.chaos.slow_ranking import DELAY
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.processes import Program
from tests.e2e.waiting import eventually

LABELS: Final = sorted(COLOURS)
RANKING_S: Final = 0.2
CALLERS: Final = 48
SETTINGS: Final = {DELAY: str(RANKING_S), "FOVEA_WORKER_THREADS": "8", "FOVEA_QUEUED_CALLS": "8"}
BATCH: Final = "burst"
TOLD: Final = "told when to come back"
MOST_GROWTH_MB: Final = 120.0
PATIENCE_S: Final = 600.0
_LOOK_S: Final = 0.5
_LARGE: Final = 1 << 20
_BUFFERED: Final = 32  # of those megabytes lie in gRPC's own buffers on both sides


@dataclass
class Watched:
    """Memory of each process, in MB, at each look."""

    pids: Mapping[str, int]
    samples: dict[str, list[float]] = field(default_factory=dict)

    def look(self) -> None:
        """Look once."""
        for name, pid in self.pids.items():
            pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
            self.samples.setdefault(name, []).append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)

    def growth_mb(self) -> dict[str, float]:
        """Return the growth of each by a straight line through its second half: the first warms it up."""
        return {name: _slope(found[len(found) // 2 :]) for name, found in self.samples.items()}

    def most_mb(self) -> dict[str, float]:
        """Return how much each was above its beginning at most."""
        return {name: max(found) - found[0] for name, found in self.samples.items()}


def _slope(samples: list[float]) -> float:
    if len(samples) < 2:
        return 0.0
    slope, _ = np.polyfit(np.arange(len(samples)), samples, 1)
    return float(slope) * len(samples)


@dataclass
class Callers:
    """Many who wait for single pictures, and do not wait when they are refused."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, calls: Calls, number: int) -> None:
        """Call until told to stop."""
        for count in itertools.count(number):
            if self.stop.is_set():
                return
            label = LABELS[count % 3]
            try:
                record = calls.recognize(png(label, seed=count % 50))
            except grpc.RpcError as error:
                self._refused(error)
                self.stop.wait(0.2)
            else:
                self.outcomes["answered"] += 1
                if record.regions[0].ranking.labels[0].label != label:
                    self.wrong.append(label)

    def _refused(self, error: grpc.RpcError) -> None:
        found = from_rpc_error(error)
        if isinstance(found, Overloaded) and found.retry_after_s > 0:
            self.outcomes[TOLD] += 1
        else:
            self.wrong.append(f"{error.code()}: {error.details()}")


def run(folder: Path, size: Size) -> list[Figures]:
    """Over Kafka, and over the embedded log."""
    images = 400 if size is Size.LONG else 60
    with (
        running(KafkaServer(), folder / "kafka") as kafka,
        started(
            folder / "kafka-platform", {**kafka.settings, **SETTINGS}, {"ranking": "tests.chaos.slow_ranking"}
        ) as platform,
    ):
        pids = {name: program.pid for name, program in platform.programs.items()}
        over_kafka = _burst(platform.target, pids, images, "Kafka")
    with Program("tests.chaos.slow_allinone", folder / "embedded", SETTINGS) as program:
        embedded = _burst(program.target, {"allinone": program.pid}, images, "the embedded log")
    return [over_kafka, embedded]


def _burst(target: str, pids: Mapping[str, int], images: int, log: str) -> Figures:
    with Calls(target) as calls, fovea.Client(target, timeout_s=PATIENCE_S) as client:
        calls.remember([(label, png(label, seed=900)) for label in LABELS])
        for number in range(30):
            calls.recognize(png(LABELS[number % 3], seed=number))
        watched, callers = Watched(pids), Callers()
        with _watching(watched), _calling(calls, callers):
            shown = {f"burst-{number}": png(LABELS[number % 3], seed=number) for number in range(images)}
            receipts = list(calls.submit(shown, submission_id=BATCH))
            assert all(answer.HasField("receipt") for answer in receipts), receipts
            backlog = client.submission(BATCH).pending
            ahead = _streamed(calls, min(64, images // 2))
            callers.stop.set()
            _wait_ended(client)
        lost, wrong = _account(calls, shown)
    grown, most = watched.growth_mb(), watched.most_mb()
    print(
        f"{log}: {callers.outcomes}, {callers.wrong[:5]}, backlog {backlog}, ahead {ahead}, {grown}, {most}",
        flush=True,
    )
    assert callers.outcomes[TOLD], "nobody was refused: the burst was none"
    assert max(most.values()) < MOST_GROWTH_MB, most
    total, told = callers.outcomes.total(), callers.outcomes[TOLD]
    note = (
        f"Over {log}: {images} images were accepted while ranking took {RANKING_S} s for each; {backlog} of "
        f"them waited in the log when the last was accepted. Of {total:,} calls by {CALLERS} callers "
        f"{told:,} were told when to come back. Of a stream at most {ahead} pictures of a megabyte were "
        f"taken ahead of their answers, {LIMITS.stream_window} by the server and the others by gRPC's "
        f"buffers. Memory of a process grew by {max(most.values()):.0f} MB at most, and by "
        f"{max(grown.values()):.1f} MB in the second half."
    )
    return Figures(
        f"ten times what ranking can take, over {log}",
        images + callers.outcomes.total(),
        images + callers.outcomes["answered"],
        lost=lost,
        wrong=wrong + len(callers.wrong),
        note=note,
    )


@contextmanager
def _watching(watched: Watched) -> Iterator[None]:
    stop = threading.Event()

    def look() -> None:
        watched.look()
        while not stop.wait(_LOOK_S):
            watched.look()

    with _thread(look, stop):
        yield


@contextmanager
def _calling(calls: Calls, callers: Callers) -> Iterator[None]:
    threads = [
        threading.Thread(target=callers.run, args=(calls, number), name=f"caller-{number}", daemon=True)
        for number in range(CALLERS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        callers.stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def _thread(work: Callable[[], None], stop: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=work, name="looks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _streamed(calls: Calls, count: int) -> int:
    """Stream large pictures, and return how many were taken ahead of their answers at most."""
    taken = answered = ahead = 0

    def requests() -> Iterator[gateway_pb2.RecognizeStreamRequest]:
        nonlocal taken, ahead
        for number in range(count):
            taken += 1
            ahead = max(ahead, taken - answered)
            image = png(LABELS[number % 3], seed=number) + bytes(_LARGE)
            yield gateway_pb2.RecognizeStreamRequest(task=calls.task(image))

    for answer in calls.gateway.RecognizeStream(requests(), timeout=PATIENCE_S):
        answered += 1
        assert answer.HasField("recognition"), answer
    assert ahead <= LIMITS.stream_window + _BUFFERED, f"{ahead} pictures were taken ahead of their answers"
    return ahead


def _wait_ended(client: fovea.Client) -> None:
    eventually(lambda: client.submission(BATCH).pending == 0 or None, timeout_s=PATIENCE_S)


def _account(calls: Calls, shown: Mapping[str, bytes]) -> tuple[int, int]:
    """Return how many images have no record, and how many have a wrong one."""
    lost = wrong = 0
    for number, name in enumerate(shown):
        try:
            record = calls.recognition(name)
        except grpc.RpcError:
            lost += 1
        else:
            wrong += not record.regions or record.regions[0].ranking.labels[0].label != LABELS[number % 3]
    return lost, wrong


BACK_PRESSURE: Final = Experiment(
    name="back_pressure",
    promise=(
        "When more comes than can be done, what was accepted waits in the log and not in memory, callers are "
        "told when to come back, a stream is read as fast as it is answered, and all that was accepted ends."
    ),
    run=run,
    short_timeout_s=400.0,
)
