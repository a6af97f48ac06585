"""HTTP/2 frames by hand, right and wrong ones, over a plain socket: what no gRPC library would send."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Self

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, CONTINUATION = 0, 1, 3, 4, 9
END_STREAM, END_HEADERS = 1, 4
_TIMEOUT_S: Final = 5.0


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    """Return one frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def block(path: str, more: Mapping[str, str] | None = None) -> bytes:
    """Return the headers of a gRPC call, each a literal that is never indexed."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        **(more or {}),
    }
    return b"".join(b"\x10" + _text(name) + _text(value) for name, value in fields.items())


def message(content: bytes, *, said_bytes: int | None = None) -> bytes:
    """Return a gRPC message with its prefix, which may say another length."""
    return struct.pack(">BI", 0, len(content) if said_bytes is None else said_bytes) + content


def _text(text: str) -> bytes:
    data = text.encode()
    return _number(len(data)) + data


def _number(number: int) -> bytes:
    """Return a number of HPACK with a prefix of 7 bits."""
    if number < 0x7F:
        return bytes([number])
    number, parts = number - 0x7F, [0x7F]
    while number >= 0x80:
        parts.append(number % 0x80 + 0x80)
        number //= 0x80
    return bytes([*parts, number])


class Connection:
    """A socket to a gRPC port."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=_TIMEOUT_S)

    def send(self, data: bytes) -> bool:
        """Send, and say whether the other end still takes it."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def greet(self) -> Self:
        """Begin as a client should."""
        self.send(PREFACE + frame(SETTINGS))
        return self

    def call(self, path: str, *, stream: int = 1, more: Mapping[str, str] | None = None) -> Self:
        """Begin a call, and leave its message for later."""
        self.send(frame(HEADERS, block(path, more), flags=END_HEADERS, stream=stream))
        return self

    def close(self) -> None:
        """Go away without a word."""
        with suppress(OSError):
            self.socket.close()
