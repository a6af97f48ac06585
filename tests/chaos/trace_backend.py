"""The collector of traces away, silent, or back again: nobody who calls may notice."""

from __future__ import annotations

import itertools
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.measure import resident_bytes
from fovea.kernel.v1.recognition_pb2 import Recognition
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.traffic import Answer
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.processes import Program
from tests.e2e.scrape import Scrape
from tests.e2e.waiting import eventually
from tests.fakes.collector import Collector, collecting

_ALLOWED: Final = 1.25
"""How much slower a median call may be than beside a collector that answers; of that, most is noise."""
_ALLOWED_S: Final = 0.005
_MOST_BYTES: Final = 16 << 20
"""What may wait (8,192 spans) and what comes and goes with thousands of calls."""
_DRAIN_S: Final = 15.0
_THREADS: Final = 4
_TRIES: Final = 4
_WARM: Final = 5
_SEEDS: Final = itertools.count(1000)
_PATIENCE_S: Final = 120.0


@dataclass(frozen=True)
class Scale:
    """How much is done: pictures by each door, and calls that make spans and little else."""

    images: int
    calls: int


SCALES: Final = {Size.SHORT: Scale(40, 4_500), Size.LONG: Scale(200, 60_000)}


@dataclass(frozen=True)
class Fault:
    """A collector that does not do its work.

    Args:
        text: As the figures call it.
        endpoint: Gives where it is, until the end of the block; the collector, where it can come back.
    """

    text: str
    endpoint: Callable[[], AbstractContextManager[tuple[str, Collector | None]]]


class Traced:
    """A platform in one process that records every trace, and what is asked of it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.calls = Calls(program.target, collection="traced")
        self.calls.create_collection()
        self.calls.remember([(label, png(label, seed=1)) for label in sorted(COLOURS)])

    def recognized(self, image: bytes) -> tuple[float, Recognition]:
        """Return how long it took, and the record."""
        began = time.perf_counter()
        record = self.calls.recognize(image)
        return time.perf_counter() - began, record

    def spans(self, outcome: str) -> float:
        """Return how many spans ended so."""
        return Scrape(self.program).value("fovea_trace_spans_total", outcome=outcome) or 0.0

    @property
    def undelivered(self) -> int:
        """How many spans the collector did not get."""
        return int(self.spans("failed") + self.spans("dropped"))


def run(folder: Path, size: Size) -> list[Figures]:
    """Compare a process whose collector fails with one whose collector answers, call by call."""
    with ExitStack() as stack:
        answering = stack.enter_context(collecting())
        control = _started(stack, folder / "control", answering.endpoint)
        return [_suffered(folder / fault.text, fault, control, SCALES[size]) for fault in FAULTS]


def _suffered(folder: Path, fault: Fault, control: Traced, scale: Scale) -> Figures:
    with ExitStack() as stack:
        endpoint, collector = stack.enter_context(fault.endpoint())
        faulty = _started(stack, folder, endpoint)
        ratio, wrong = _side_by_side(control, faulty, scale)
        lost = _streamed(faulty, scale)
        grown = _grown(faulty, scale)
        undelivered = eventually(lambda: faulty.undelivered or None)
        recovery_s = None if collector is None else _back(faulty, collector)
        if collector is not None:
            collector.answering.clear()
        drain_s = _drained(faulty)
    return Figures(
        fault=f"{fault.text}, every trace sampled",
        injected=undelivered,
        handed_in=2 * scale.images + scale.calls,
        lost=lost,
        wrong=wrong,
        recovery_s=recovery_s,
        note=(
            f"{fault.text.capitalize()}: the median call took {ratio:.2f} times what it takes with one, "
            f"memory grew by {grown / 2**20:.0f} MiB, and the process ended in {drain_s:.1f} s."
        ),
    )


def _side_by_side(control: Traced, faulty: Traced, scale: Scale) -> tuple[float, int]:
    """Ask both in turn; return how much slower the faulty one is, and how many of its answers differ.

    A machine that is busy with other things is measured again: what a fault causes is there every time.
    """
    wrong = 0
    for _ in range(_TRIES):
        compared = _compared(control, faulty, scale.images)
        wrong += compared.wrong
        if compared.disturbed_s <= _ALLOWED * compared.undisturbed_s + _ALLOWED_S:
            return compared.disturbed_s / compared.undisturbed_s, wrong
    raise AssertionError(f"calls take longer: {compared}")


@dataclass(frozen=True)
class _Compared:
    """Median times of a call, and how many answers differ."""

    undisturbed_s: float
    disturbed_s: float
    wrong: int


def _compared(control: Traced, faulty: Traced, images: int) -> _Compared:
    taken: dict[Traced, list[tuple[float, Recognition]]] = {control: [], faulty: []}
    for number in range(_WARM + images):
        image = png("poppy", seed=next(_SEEDS))
        for each in (control, faulty) if number % 2 else (faulty, control):
            taken[each].append(each.recognized(image))
    ours, theirs = taken[control], taken[faulty]
    answers = [[Answer.of(record) for _, record in found] for found in (ours, theirs)]
    return _Compared(
        undisturbed_s=statistics.median(seconds for seconds, _ in ours[_WARM:]),
        disturbed_s=statistics.median(seconds for seconds, _ in theirs[_WARM:]),
        wrong=sum(not one.like(other) for one, other in zip(*answers, strict=True)),
    )


def _streamed(faulty: Traced, scale: Scale) -> int:
    """Submit images, and return how many of them have no end."""
    images = {f"streamed-{number}": png("fern", seed=500 + number) for number in range(scale.images)}
    list(faulty.calls.submit(images, submission_id="streamed"))

    def ended() -> int | None:
        progress = faulty.calls.submission("streamed")
        return progress.completed if progress.completed + progress.failed == len(images) else None

    return len(images) - eventually(ended, timeout_s=_PATIENCE_S)


def _grown(faulty: Traced, scale: Scale) -> int:
    """Make more spans than may wait, twice, and return by how much the second time made memory grow."""
    grown = 0
    for _ in range(2):
        before = resident_bytes(faulty.program.pid)
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(lambda _: faulty.calls.recognition("streamed-0"), range(scale.calls // 2)))
        grown = resident_bytes(faulty.program.pid) - before
    assert grown <= _MOST_BYTES, f"memory grew by {grown / 2**20:.0f} MiB"
    return max(0, grown)


def _back(faulty: Traced, collector: Collector) -> float:
    """Let the collector answer, and return the seconds until it gets spans."""
    before, began = len(collector.spans), time.monotonic()
    collector.answering.set()

    def arrived() -> bool | None:
        faulty.calls.recognition("streamed-0")
        return len(collector.spans) > before or None

    eventually(arrived, timeout_s=_PATIENCE_S)
    return time.monotonic() - began


def _drained(faulty: Traced) -> float:
    """End the process with spans that wait, and return the seconds that took."""
    faulty.calls.recognition("streamed-0")
    faulty.calls.channel.close()
    began = time.monotonic()
    status = faulty.program.stop()
    seconds = time.monotonic() - began
    said = [line for line in faulty.program.log().splitlines() if "spans do not reach" in line]
    assert status == 0, f"the process ended with {status}"
    assert seconds <= _DRAIN_S, f"the process took {seconds:.0f} s to end"
    assert len(said) <= 2, f"the log says {len(said)} times that spans do not arrive"
    return seconds


def _started(stack: ExitStack, folder: Path, endpoint: str) -> Traced:
    settings = {"FOVEA_OTLP_ENDPOINT": endpoint, "FOVEA_TRACE_RATIO": "1"}
    traced = Traced(stack.enter_context(Program("services.allinone", folder, settings)))
    stack.callback(traced.calls.channel.close)
    return traced


@contextmanager
def _nobody() -> Iterator[tuple[str, Collector | None]]:
    """Give a port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    yield f"http://127.0.0.1:{port}", None


@contextmanager
def _mute() -> Iterator[tuple[str, Collector | None]]:
    """Give a port that takes connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield f"http://127.0.0.1:{server.getsockname()[1]}", None


@contextmanager
def _unanswering() -> Iterator[tuple[str, Collector | None]]:
    """Give a collector that takes spans and does not answer before it is told to."""
    with collecting() as collector:
        collector.answering.clear()
        yield collector.endpoint, collector


FAULTS: Final = (
    Fault("no collector", _nobody),
    Fault("a port that says nothing", _mute),
    Fault("a collector that does not answer, and then does", _unanswering),
)

TRACE_BACKEND: Final = Experiment(
    name="trace_backend",
    promise="Without a collector of traces every call and event is answered as fast and as well as with one.",
    run=run,
    short_timeout_s=420.0,
)
