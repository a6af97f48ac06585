"""A server that answers every S3 request as a test tells it to, and remembers what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ERROR = "<Error><Code>{code}</Code><Message>said</Message></Error>"


@dataclass(frozen=True)
class Answer:
    """What is said: a status, a body, and how many of its bytes are promised (all, if none are)."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    promised: int | None = None
    hang_up: bool = False

    @classmethod
    def error(cls, status: int, code: str) -> Answer:
        return cls(status, ERROR.format(code=code).encode(), {"Content-Type": "application/xml"})


@dataclass
class FakeS3:
    """Its next answers, the last of which is repeated, and the requests for objects so far."""

    answers: list[Answer]
    port: int = 0
    requests: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def serving(*answers: Answer) -> Iterator[FakeS3]:
    """Serve; the bucket is always there."""
    fake = FakeS3(list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.strip("/").count("/") == 0 and self.command == "HEAD":
                self._say(Answer())
                return
            fake.requests.append((self.command, dict(self.headers)))
            self._say(fake.next())

        do_GET = do_PUT = do_HEAD = do_DELETE = handle_any  # noqa: N815  (the names are http.server's)

        def _say(self, answer: Answer) -> None:
            if answer.hang_up:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for key, value in answer.headers.items():
                self.send_header(key, value)
            promised = len(answer.body) if answer.promised is None else answer.promised
            self.send_header("Content-Length", str(promised))
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = promised != len(answer.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
