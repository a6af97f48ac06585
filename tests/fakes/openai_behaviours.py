"""How a server that speaks OpenAI's chat completions fails, stalls or says what a test wants."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tests.fakes.openai_server import Behaviour, Handler


def fails(status: int, content: Any = b"", headers: Mapping[str, str] | None = None) -> Behaviour:
    """Answer with a status."""
    return lambda handler: handler.answer(status, content, headers)


def says(content: Any) -> Behaviour:
    """Answer 200 with something."""
    return fails(200, content)


def late(seconds: float) -> Behaviour:
    """Answer nothing for a while, and then hang up."""

    def behave(handler: Handler) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return behave


def hangs_up(handler: Handler) -> None:
    """Close the connection before an answer."""
    handler.close_connection = True


def breaks_off(handler: Handler) -> None:
    """Promise more than is sent."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.close_connection = True


def drips(handler: Handler) -> None:
    """Send a body of one byte at a time, without end."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    handler.close_connection = True
    for _ in range(200):
        handler.wfile.write(b" ")
        time.sleep(0.05)


def floods(handler: Handler) -> None:
    """Send chunks without end."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.close_connection = True
    chunk = b" " * 65536
    for _ in range(1024):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
