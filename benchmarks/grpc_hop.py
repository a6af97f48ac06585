"""CPU time of one gRPC hop, client and server together, beside a bare grpcio echo of the same bytes.

Both sides run in this process and take turns, so that whatever else the machine does meets both. Ours has
everything on: deadline, trace, typed errors, metrics, limits.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import grpc

from services.runtime.deadline import within
from services.runtime.grpc_channel import open_channel
from services.runtime.grpc_server import GrpcServer, Servicer
from services.runtime.metrics import Metrics
from services.runtime.settings import ProcessSettings

NAME: Final = "fovea.benchmark.v1.EchoService"
ROUNDS: Final = 7
CALLERS: Final = 8
SIZES: Final = {"1 KB": 1_000, "100 KB": 100_000}
CALLS: Final = 400

Work = Callable[[bytes, int], None]


@dataclass(frozen=True)
class Row:
    """One line of the result: microseconds of CPU per message, and ours as a multiple of the bare one."""

    kind: str
    size: str
    bare_us: float
    ours_us: float

    @property
    def ratio(self) -> float:
        """Ours over the bare one."""
        return self.ours_us / self.bare_us


def measure(rounds: int = ROUNDS, calls: int = CALLS) -> list[Row]:
    """Run both sides in turn and return the median of each."""
    with ExitStack() as stack:
        bare, ours = _bare(stack), _ours(stack)
        return [
            _compare(kind, size, (bare[kind], ours[kind]), rounds=rounds, calls=calls)
            for kind in ("unary", "stream")
            for size in SIZES
        ]


def _compare(kind: str, size: str, sides: tuple[Work, Work], *, rounds: int, calls: int) -> Row:
    payload = bytes(SIZES[size])
    spent: list[list[float]] = [[], []]
    for work in sides:
        work(payload, calls // 4)
    for _ in range(rounds):
        for times, work in zip(spent, sides, strict=True):
            started = time.process_time()
            work(payload, calls)
            times.append((time.process_time() - started) / calls * 1e6)
    bare, ours = (statistics.median(times) for times in spent)
    return Row(kind, size, bare, ours)


def _bare(stack: ExitStack) -> dict[str, Work]:
    server = grpc.server(ThreadPoolExecutor(16))
    _add(None, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stack.callback(server.stop, None)
    channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
    return _works(stack, channel, lambda echo, payload: echo(payload, timeout=30.0))


def _ours(stack: ExitStack) -> dict[str, Work]:
    server = GrpcServer([Servicer(NAME, _add, None)], ProcessSettings(), Metrics())
    port = server.listen("127.0.0.1", 0)
    stack.enter_context(server)
    server.set_serving(NAME, serving=True)
    channel = stack.enter_context(open_channel(f"127.0.0.1:{port}", idempotent=[NAME]))
    return _works(stack, channel, _in_a_call)


def _in_a_call(echo: Any, payload: bytes) -> None:
    """Call as a service does that answers a call itself."""
    with within(30.0):
        echo(payload)


def _works(stack: ExitStack, channel: grpc.Channel, call: Callable[[Any, bytes], None]) -> dict[str, Work]:
    pool = stack.enter_context(ThreadPoolExecutor(CALLERS))
    echo: Any = channel.unary_unary(f"/{NAME}/Echo")
    exchange: Any = channel.stream_stream(f"/{NAME}/Exchange")

    def unary(payload: bytes, calls: int) -> None:
        list(pool.map(partial(call, echo), [payload] * calls))

    def stream(payload: bytes, calls: int) -> None:
        for _ in exchange(iter([payload] * calls)):
            pass

    return {"unary": unary, "stream": stream}


def _add(_: None, server: grpc.Server) -> None:
    methods: dict[str, Any] = {
        "Echo": grpc.unary_unary_rpc_method_handler(lambda request, _: request),
        "Exchange": grpc.stream_stream_rpc_method_handler(_each),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, methods),))


def _each(requests: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
    yield from requests


def report(rows: Sequence[Row]) -> str:
    """Return the result as a table."""
    lines = [f"{'gRPC hop':<18}{'bare us':>9}{'ours us':>9}{'ratio':>8}   goal <= 1.5"]
    lines += [
        f"{row.kind + ', ' + row.size:<18}{row.bare_us:>9.0f}{row.ours_us:>9.0f}{row.ratio:>8.2f}"
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(report(measure()))
