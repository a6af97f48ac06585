"""Clients that are slow, silent, too large or no clients at all: what each does to a server's door."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from fovea.gateway.v1 import gateway_pb2
from tests.chaos import http2
from tests.chaos.http2 import Connection
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.processes import Program
from tests.e2e.waiting import eventually

RECOGNIZE: Final = "/fovea.gateway.v1.GatewayService/Recognize"


LABELS: Final = sorted(COLOURS)


MIB: Final = 1 << 20


MESSAGE_WAIT_S: Final = 5.0  # what the server is told; 30 by default


_DEADLINE: Final = {"grpc-timeout": "600S"}


@dataclass
class Site:
    """The server under attack, and what it needs.

    Args:
        program: Its process.
        long: Whether to do more of everything.
        chance: Makes noise.
    """

    program: Program
    long: bool
    chance: random.Random = field(default_factory=lambda: random.Random(20261121))  # noqa: S311  (no secret)

    @property
    def rss_mb(self) -> float:
        """Memory of the process that is in use now."""
        pages = int(Path(f"/proc/{self.program.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(list(Path(f"/proc/{self.program.pid}/fd").iterdir()))

    def connections(self, count: int) -> list[Connection]:
        """Open so many connections, and say nothing."""
        return [Connection(self.program.target) for _ in range(count)]


Attack = Callable[[Site], tuple[int, Sequence[Connection]]]
"""Does harm; returns how often, and the connections that are left open until all is measured."""


def silent(site: Site) -> tuple[int, Sequence[Connection]]:
    """Open connections and never say a word, or only hello."""
    left = site.connections(500)
    for one in left[::2]:
        one.greet()
    return len(left), left


def trickle(site: Site) -> tuple[int, Sequence[Connection]]:
    """Say hello one byte at a time, and stop in the middle."""
    left = site.connections(64)
    for byte in (http2.PREFACE + http2.frame(http2.SETTINGS))[:-2]:
        for one in left:
            one.send(bytes([byte]))
    return len(left), left


def half_sent(site: Site) -> tuple[int, Sequence[Connection]]:
    """Begin many calls, and send their messages one byte at a time, without an end."""
    left = [one.greet().call(RECOGNIZE, more=_DEADLINE) for one in site.connections(200)]
    begun = http2.message(b"\x0a\xff", said_bytes=1000)
    for byte in begun:
        for one in left:
            one.send(http2.frame(http2.DATA, bytes([byte]), stream=1))
    return len(left), left


def left_waiting(site: Site) -> tuple[int, Sequence[Connection]]:
    """Begin as many calls as are let in, and wait: the server must end them, or nobody else gets in."""
    left = [one.greet().call(RECOGNIZE, more=_DEADLINE) for one in site.connections(400)]
    with Calls(site.program.target) as calls:
        eventually(partial(_served, calls), timeout_s=10 * MESSAGE_WAIT_S)
    return len(left), left


def _served(calls: Calls) -> bool | None:
    try:
        calls.recognize(png(LABELS[0]))
    except grpc.RpcError:
        return None
    return True


def too_large(site: Site) -> tuple[int, Sequence[Connection]]:
    """Send messages over the limit, and messages that say they are of gigabytes."""
    options = [("grpc.max_send_message_length", -1)]
    count = 8 if site.long else 3
    for _ in range(count):
        with grpc.insecure_channel(site.program.target, options=options) as channel:
            with pytest.raises(grpc.RpcError, match="larger than max") as refused:
                _bare(channel)(bytes(64 * MIB), timeout=60)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, refused.value
    left = [one.greet().call(RECOGNIZE, more=_DEADLINE) for one in site.connections(32)]
    for one in left:
        one.send(http2.frame(http2.DATA, http2.message(bytes(1000), said_bytes=1 << 31), stream=1))
    return count + len(left), left


def headers(site: Site) -> tuple[int, Sequence[Connection]]:
    """Send more headers than fit: in one call, and without ever ending them."""
    count = 200 if site.long else 50
    with grpc.insecure_channel(site.program.target) as channel:
        for number in range(count):
            metadata = tuple((f"x-{each}", "y" * 1000) for each in range(number, number + 100))
            with suppress(grpc.RpcError):
                _bare(channel)(b"", timeout=10, metadata=metadata)
    left = [one.greet() for one in site.connections(8)]
    for one in left:
        one.send(http2.frame(http2.HEADERS, http2.block(RECOGNIZE), stream=1))
        more = http2.block(RECOGNIZE, {"x-more": "z" * 10_000})
        for _ in range(200):
            if not one.send(http2.frame(http2.CONTINUATION, more, stream=1)):
                break
    return count + len(left), left


def malformed(site: Site) -> tuple[int, Sequence[Connection]]:
    """Send what is no HTTP/2, or breaks off, or is out of order."""
    left = site.connections(300 if site.long else 60)
    kinds = itertools.cycle(_wrong(site.chance))
    for one in left:
        one.send(next(kinds))
    return len(left), left


def _wrong(chance: random.Random) -> Iterator[bytes]:
    hello = http2.PREFACE + http2.frame(http2.SETTINGS)
    call = http2.frame(http2.HEADERS, http2.block(RECOGNIZE), flags=http2.END_HEADERS, stream=1)
    yield b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(500)  # the beginning of TLS
    yield chance.randbytes(4096)
    yield hello + chance.randbytes(4096)
    yield hello + call[: len(call) // 2]
    yield hello + b"\xff\xff\xff" + call[3:]
    yield hello + http2.frame(http2.SETTINGS, b"12345")
    yield hello + http2.frame(http2.CONTINUATION, b"x", flags=http2.END_HEADERS, stream=1)
    yield hello + http2.frame(http2.HEADERS, chance.randbytes(100), flags=http2.END_HEADERS, stream=1)
    yield hello + http2.frame(http2.DATA, b"x", stream=7)
    yield hello + call + http2.frame(http2.DATA, chance.randbytes(64), flags=http2.END_STREAM, stream=1)
    yield hello + b"".join(http2.frame(chance.randrange(256), chance.randbytes(9)) for _ in range(50))


def resets(site: Site) -> tuple[int, Sequence[Connection]]:
    """Begin calls and take each back at once."""
    count = 2000 if site.long else 400
    left = [one.greet() for one in site.connections(4)]
    for number in range(count):
        for one in left:
            one.call(RECOGNIZE, stream=2 * number + 1, more=_DEADLINE)
            one.send(http2.frame(http2.RST_STREAM, b"\0\0\0\x08", stream=2 * number + 1))
    return count * len(left), left


def deaf(site: Site) -> tuple[int, Sequence[Connection]]:
    """Open streams, send as much as is taken, and never read an answer."""
    taken = 0
    picture = png(LABELS[0]) + bytes(MIB)  # what follows a PNG's end is ignored
    with Calls(site.program.target) as calls:

        def requests() -> Iterator[gateway_pb2.RecognizeStreamRequest]:
            nonlocal taken
            for _ in range(200):
                taken += 1
                yield gateway_pb2.RecognizeStreamRequest(task=calls.task(picture))

        streams = [calls.gateway.RecognizeStream(requests(), timeout=60) for _ in range(4)]
        watches = [calls.watch() for _ in range(16)]
        before = taken
        eventually(lambda: taken > before or None)
        time.sleep(3.0 if site.long else 1.0)  # however long one waits, it must not go on
        assert taken < len(streams) * 100, f"{taken} pictures were taken of those who read no answer"
        for stream in (*streams, *watches):
            stream.cancel()  # type: ignore[attr-defined]  # each is a call
    return len(streams) + len(watches), []


def _bare(channel: grpc.Channel) -> Any:
    """Return the call of bytes."""
    return channel.unary_unary(RECOGNIZE)


ATTACKS: Final[dict[str, Attack]] = {
    "500 connections that say nothing, or hello": silent,
    "hello, a byte at a time": trickle,
    "calls whose message comes a byte at a time": half_sent,
    "calls whose message never comes": left_waiting,
    "messages of 64 MiB, or that say 2 GiB": too_large,
    "headers over the limit, or without an end": headers,
    "what is no HTTP/2": malformed,
    "calls taken back at once": resets,
    "streams whose answers nobody reads": deaf,
}
