"""A local server that speaks as OpenAI-compatible ones do, or as hostile ones might."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Chat:
    """What the server answers, and what it was sent.

    `reply` gives status and body for the number of the call; by default it completes with `says`.
    """

    says: Callable[[Any], str] = lambda _: "fine"
    reply: Callable[[int, Any], tuple[int, bytes]] | None = None
    drip_s: float = 0.0
    retry_after: str = ""
    url: str = ""
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)

    def respond(self, path: str, headers: dict[str, str], body: Any) -> tuple[int, bytes]:
        self.requests.append((path, headers, body))
        if self.reply is not None:
            return self.reply(len(self.requests), body)
        message = {"role": "assistant", "content": self.says(body)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return 200, json.dumps({"object": "chat.completion", "choices": [choice]}).encode()


@contextmanager
def chat_server(chat: Chat) -> Iterator[Chat]:
    """Serve on a free port of this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, data = chat.respond(self.path, headers, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if chat.retry_after:
                self.send_header("Retry-After", chat.retry_after)
            if status in {301, 302}:
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()
            if not chat.drip_s:
                self.wfile.write(data)
            for byte in data if chat.drip_s else b"":
                time.sleep(chat.drip_s)
                self.wfile.write(bytes([byte]))
                self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the library's name)
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    chat.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield chat
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
