"""The second door of a process, for operators: metrics, liveness and readiness over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

_JSON: Final = "application/json"
_LOOK_EVERY_S: Final = 0.1  # whether it shall stop


class Reply(NamedTuple):
    """One answer."""

    status: HTTPStatus
    content_type: str
    body: bytes


class AdminServer:
    """Answers `/metrics`, `/healthz` (the process lives) and `/readyz` (all its services are ready).

    Args:
        host: Address to listen on.
        port: 0 lets the system choose.
        registry: What `/metrics` shows.
        unready: Gives the services that are not ready, with reasons.

    Raises:
        OSError: The port is in use.
    """

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, unready: Callable[[], Mapping[str, str]]
    ) -> None:
        self._registry = registry
        self._unready = unready
        try:
            self._server = _server_class(host)((host, port), _handler(self.reply))
        except OSError as error:
            raise OSError(f"cannot listen on {host}:{port} for metrics and health: {error}") from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_LOOK_EVERY_S,), name="admin", daemon=True
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def reply(self, path: str, accept: str) -> Reply:
        """Return the answer to one request."""
        match path.partition("?")[0]:
            case "/metrics":
                encode, content_type = choose_encoder(accept)
                return Reply(HTTPStatus.OK, content_type, encode(self._registry))
            case "/healthz":
                return _as_json(HTTPStatus.OK, {"alive": True})
            case "/readyz":
                unready = self._unready()
                status = HTTPStatus.SERVICE_UNAVAILABLE if unready else HTTPStatus.OK
                return _as_json(status, {"ready": not unready, "unready": dict(unready)})
            case _:
                return _as_json(HTTPStatus.NOT_FOUND, {"paths": ["/metrics", "/healthz", "/readyz"]})


def _as_json(status: HTTPStatus, content: object) -> Reply:
    return Reply(status, _JSON, json.dumps(content).encode() + b"\n")


def _server_class(host: str) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        address_family = AF_INET6 if ":" in host else AF_INET
        daemon_threads = True
        allow_reuse_port = False

    return Server


def _handler(reply: Callable[[str, str], Reply]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, content_type, body = reply(self.path, self.headers.get("Accept", ""))
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing: scrapes and probes come every few seconds."""

    return Handler
