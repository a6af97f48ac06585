"""What metrics and traces cost: processor time of a server per call, with them and without.

The servers are in this process and take turns; whoever calls, and the collector, is another process. A call
is an echo, the cheapest there is: all that is measured beside it is gRPC itself, deadlines and limits.
Sending spans away is part of the cost, and done before a turn ends.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from subprocess import PIPE
from typing import IO, Any, Final, cast

import grpc

from benchmarks.callers import ECHO
from benchmarks.table import table
from services.runtime.grpc_server import GrpcServer, Servicer
from services.runtime.metrics import Metrics
from services.runtime.settings import ProcessSettings
from services.runtime.span_export import ExportSettings, SpanExport
from services.runtime.tracing import Tracer

ROUNDS: Final = 15
CALLS: Final = 1000
SIZES: Final = {"1 KB": 1_000, "100 KB": 100_000}
USUAL: Final = ProcessSettings.model_fields["trace_ratio"].default
SIDES: Final = {"neither": None, "metrics": None, "and traces": USUAL, "of each call": 1.0}
GOAL: Final = 0.03
_LOOK_EVERY_S: Final = 0.05
RATE: Final = 1000
_NAME: Final = ECHO.split("/")[1]


@dataclass(frozen=True)
class Row:
    """One side with one size: microseconds of processor time a call, the calls a second, and the spread."""

    side: str
    size: str
    cpu_us: float
    rate: float
    extra_us: float


class Nothing:
    """Metrics that count nothing."""

    def labels(self, *_: object) -> Nothing:
        """Return itself."""
        return self

    def inc(self, _: float = 1) -> None:
        """Do nothing."""

    def observe(self, _: float) -> None:
        """Do nothing."""

    def set_function(self, _: object) -> None:
        """Do nothing."""

    def __getattr__(self, _: str) -> Nothing:
        return self


@dataclass
class Side:
    """One server."""

    target: str
    metrics: Metrics
    sampled: bool

    def spans(self, outcome: str) -> float:
        """Return how many spans ended so."""
        found = self.metrics.registry.get_sample_value("fovea_trace_spans_total", {"outcome": outcome})
        return found or 0.0


def measure(rounds: int = ROUNDS, calls: int = CALLS) -> list[Row]:
    """Let the sides take turns and return the median of each."""
    with _caller() as caller, ExitStack() as stack:
        sides = {name: _side(stack, name, ratio, caller.collector) for name, ratio in SIDES.items()}
        return [row for size in SIZES for row in _compare(caller, sides, size, rounds=rounds, calls=calls)]


def _compare(caller: Caller, sides: dict[str, Side], size: str, *, rounds: int, calls: int) -> Iterator[Row]:
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name in list(sides)[:: 1 if number % 2 else -1]:
            found = _turn(caller, sides[name], SIZES[size], calls)
            if number:
                spent[name].append(found)
    bare = [cpu_s for cpu_s, _ in spent["neither"]]
    for name, turns in spent.items():
        extra = statistics.median(cpu_s - base for (cpu_s, _), base in zip(turns, bare, strict=True))
        yield Row(
            side=name,
            size=size,
            cpu_us=statistics.median(cpu_s for cpu_s, _ in turns) * 1e6,
            rate=statistics.median(1 / wall_s for _, wall_s in turns),
            extra_us=extra * 1e6,
        )


def _turn(caller: Caller, side: Side, size: int, calls: int) -> tuple[float, float]:
    """Return seconds a call: of this process's processor time, and by the clock."""
    before, began = side.spans("exported"), time.process_time()
    wall_s = caller.call(side.target, size, calls)
    while side.sampled and side.spans("exported") < before + calls:
        if side.spans("failed"):
            raise RuntimeError("the collector did not take the spans")
        time.sleep(_LOOK_EVERY_S)
    return (time.process_time() - began) / calls, wall_s / calls


class Caller:
    """The other process."""

    def __init__(self, told: IO[str], answers: IO[str]) -> None:
        self._told = told
        self._answers = answers
        self.collector = int(answers.readline())

    def call(self, target: str, size: int, calls: int) -> float:
        """Let it call, and return the seconds that took."""
        self._told.write(f"{target} {size} {calls}\n")
        self._told.flush()
        return float(self._answers.readline())


@contextmanager
def _caller() -> Iterator[Caller]:
    command = [sys.executable, "-m", "benchmarks.callers"]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:  # noqa: S603  (our own)
        try:
            yield Caller(cast("IO[str]", process.stdin), cast("IO[str]", process.stdout))
        finally:
            process.kill()


def _side(stack: ExitStack, name: str, ratio: float | None, collector: int) -> Side:
    metrics = Metrics()
    tracers: dict[str, Tracer] = {}
    if ratio is not None:
        given = ExportSettings(f"http://127.0.0.1:{collector}", ratio, "0", delay_s=0.1)
        export = SpanExport(given, metrics.traces)
        stack.callback(export.close, 5.0)
        tracers[_NAME] = export.tracer("benchmark")
    if name == "neither":
        metrics.rpc = Nothing()  # type: ignore[assignment]
    server = GrpcServer([Servicer(_NAME, _add, None)], ProcessSettings(), metrics, tracers=tracers)
    port = server.listen("127.0.0.1", 0)
    stack.enter_context(server)
    server.set_serving(_NAME, serving=True)
    return Side(f"127.0.0.1:{port}", metrics, sampled=ratio == 1.0)


def _add(_: None, server: grpc.Server) -> None:
    echo: Any = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_NAME, {"Echo": echo}),))


def report(rows: Sequence[Row]) -> str:
    """Return the result as a table."""
    head = ("call, what is on", "cpu us", "more us", "of the call", f"of a cpu at {RATE:,}/s", "calls/s")
    base = {row.size: row.cpu_us for row in rows if row.side == "neither"}
    lines = [
        (
            f"{row.size}, {row.side}",
            f"{row.cpu_us:.0f}",
            f"{row.extra_us:.1f}",
            f"{row.extra_us / base[row.size]:.1%}",
            f"{row.extra_us * RATE / 1e6:.2%}",
            f"{row.rate:,.0f}",
        )
        for row in rows
    ]
    said = (
        f"goal: metrics and traces <= {GOAL:.0%} of a cpu at {RATE:,} calls/s; "
        f"traces: {USUAL:.0%} of calls are sampled, the default"
    )
    return f"{table(head, lines)}\n{said}"


if __name__ == "__main__":
    print(report(measure()))
