"""A process that calls, so that the one that is measured only serves; it takes spans too, and drops them.

Reads lines from its input, `target size calls`, makes the calls from some threads at once, and answers each
line when they are done, with the seconds that took. Its first line names the port where it takes spans.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc

ECHO: Final = "/fovea.benchmark.v1.EchoService/Echo"
CALLERS: Final = 8
_EXPORT: Final = "opentelemetry.proto.collector.trace.v1.TraceService"


def main() -> None:
    """Call as told until the input ends."""
    collector = grpc.server(ThreadPoolExecutor(2))  # kept: one that nobody holds stops
    print(_opened(collector), flush=True)
    with ThreadPoolExecutor(CALLERS) as pool:
        channels: dict[str, Any] = {}
        for line in sys.stdin:
            target, size, calls = line.split()
            if target not in channels:
                channels[target] = grpc.insecure_channel(target).unary_unary(ECHO)
            began = time.perf_counter()
            list(pool.map(_call(channels[target]), [bytes(int(size))] * int(calls)))
            print(time.perf_counter() - began, flush=True)


def _call(echo: Any) -> Any:
    return lambda payload: echo(payload, timeout=30.0)


def _opened(server: grpc.Server) -> int:
    take: Any = grpc.unary_unary_rpc_method_handler(lambda *_: b"")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_EXPORT, {"Export": take}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return port


if __name__ == "__main__":
    main()
