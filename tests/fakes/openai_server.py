"""A server that speaks OpenAI's chat completions over real HTTP, sees colours, and fails as it is told to.

What it accepts, refuses and answers follows the published reference: one picture as a data URL,
`top_logprobs` of 20 at most and with `logprobs` alone, errors as `{"error": {"message", "type", "param",
"code"}}`. Unlike a model it is exact: the candidate whose name is nearest to the picture's colour is the
likeliest.
"""

from __future__ import annotations

import base64
import io
import json
import math
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

COLOURS: Final = {
    "red": (255, 0, 0),
    "orange": (255, 140, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "poppy": (220, 30, 30),
    "cornflower": (50, 80, 220),
    "fern": (30, 150, 50),
}
MODEL: Final = "colour-vl"
_CHOICE: Final = re.compile(r"^([A-Z])\. (\w+)", re.MULTILINE)
_LISTED: Final = re.compile(r'"([^"]+)"')
_VIVID: Final = 100
"""Between the channels of a pixel that is no background."""
_STEADY: Final = 0.15
"""Share of the probability that is on other tokens than letters."""

Behaviour = Callable[["Handler"], None]


@dataclass
class OpenAiServer:
    """What it is and what it was asked.

    Args:
        key: That callers must show; empty: none.
        extensions: Fields beyond OpenAI's that it knows, as vLLM's server does; others are refused.
        logprobs: Whether it gives any.
        most_listed: How many it lists whatever is asked.
        behaviours: What the next requests meet in place of an answer.
    """

    key: str = ""
    extensions: frozenset[str] = frozenset()
    logprobs: bool = True
    most_listed: int = 20
    behaviours: list[Behaviour] = field(default_factory=list)
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    connections: int = 0
    open: list[socket.socket] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    fake: OpenAiServer

    def setup(self) -> None:
        super().setup()
        self.fake.connections += 1
        self.fake.open.append(self.connection)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if not self.turned_away():
            listed = {
                "id": MODEL,
                "object": "model",
                "created": 0,
                "owned_by": "tests",
                "root": "/weights/one",
            }
            self.answer(200, {"object": "list", "data": [listed]})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.fake.asked.append(request)
        if not self.turned_away():
            status, content = completed(self.fake, request)
            self.answer(status, content)

    def turned_away(self) -> bool:
        """Whether this request met something else than an answer."""
        self.fake.headers.append(dict(self.headers))
        if self.fake.key and self.headers["Authorization"] != f"Bearer {self.fake.key}":
            said = f"Incorrect API key provided: {self.headers['Authorization']}"
            self.answer(401, failure(said, code="invalid_api_key"))
            return True
        if self.fake.behaviours:
            self.fake.behaviours.pop(0)(self)
            return True
        return False

    def answer(self, status: int, content: Any, headers: Mapping[str, str] | None = None) -> None:
        """Send one answer; bytes as they are, all else as JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def completed(fake: OpenAiServer, request: Mapping[str, Any]) -> tuple[int, Any]:
    """Return what a server answers to a request for a completion."""
    fault = _fault(fake, request)
    if fault:
        return 400, failure(*fault)
    if request["model"] != MODEL:
        return 404, failure(f"The model `{request['model']}` does not exist", "model", code="model_not_found")
    parts = request["messages"][0]["content"]
    text = "\n".join(part["text"] for part in parts if part["type"] == "text")
    colour = _colour(next(part["image_url"]["url"] for part in parts if part["type"] == "image_url"))
    choices = dict(_CHOICE.findall(text))
    if not choices:
        names = sorted(set(_LISTED.findall(text)), key=lambda name: _distance(name, colour))
        return 200, _completion(json.dumps(names), None)
    likely = _likely(choices, colour)
    asked = request.get("top_logprobs", 0) if request.get("logprobs") and fake.logprobs else None
    listed = None if asked is None else likely[: min(asked, fake.most_listed)]
    allowed = request.get("structured_outputs", {}).get("choice") or request.get("guided_choice")
    written = next(token for token, _ in likely if not allowed or token.strip() in allowed)
    return 200, _completion(written, None if listed is None else [(written, dict(likely)[written], listed)])


def failure(message: str, parameter: str | None = None, *, code: str | None = None) -> dict[str, Any]:
    """An error in the published shape."""
    error = {"message": message, "type": "invalid_request_error", "param": parameter, "code": code}
    return {"error": error}


def _fault(fake: OpenAiServer, request: Mapping[str, Any]) -> tuple[str, str] | None:
    known = {"model", "messages", "max_tokens", "temperature", "stream", "logprobs", "top_logprobs"}
    unknown = request.keys() - known - fake.extensions
    if unknown:
        return f"Unrecognized request argument supplied: {min(unknown)}", min(unknown)
    top = request.get("top_logprobs")
    if top is not None and not request.get("logprobs"):
        return "top_logprobs is only allowed if logprobs is true", "top_logprobs"
    if top is not None and not 0 <= top <= 20:
        return f"Invalid value: {top} is greater than the maximum of 20", "top_logprobs"
    parts = [part["type"] for part in request["messages"][0]["content"]]
    if sorted(parts) != ["image_url", "text"]:
        return f"expected one picture and one text, got {parts}", "messages"
    return None


def _likely(choices: Mapping[str, str], colour: np.ndarray) -> list[tuple[str, float]]:
    """Return a whole vocabulary by falling probability: a letter is two tokens, and there are other words."""
    scores = {letter: math.exp(-_distance(name, colour) / 60) for letter, name in choices.items()}
    total = sum(scores.values())
    tokens = {" The": _STEADY / 2, " It": _STEADY / 4, "a": _STEADY / 4}
    for letter, score in scores.items():
        tokens[f" {letter}"] = 0.75 * (1 - _STEADY) * score / total
        tokens[letter] = 0.25 * (1 - _STEADY) * score / total
    return sorted(((token, math.log(share)) for token, share in tokens.items()), key=lambda each: -each[1])


def letters_of(choices: Mapping[str, str], colour: tuple[int, int, int]) -> dict[str, float]:
    """The log-probability that a server gives to each letter, both of its tokens together."""
    tokens = dict(_likely(choices, np.array(colour)))
    return {letter: float(np.logaddexp(tokens[letter], tokens[f" {letter}"])) for letter in choices}


def _completion(text: str, tokens: list[tuple[str, float, list[tuple[str, float]]]] | None) -> dict[str, Any]:
    """A completion in the published shape."""
    content = (
        None
        if tokens is None
        else [
            {**_token(token, value), "top_logprobs": [_token(*each) for each in listed]}
            for token, value, listed in tokens
        ]
    )
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "system_fingerprint": "fp_1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None if content is None else {"content": content, "refusal": None},
                "finish_reason": "length",
            }
        ],
        "usage": {"prompt_tokens": 99, "completion_tokens": 1, "total_tokens": 100},
    }


def _token(token: str, value: float) -> dict[str, Any]:
    return {"token": token, "logprob": value, "bytes": list(token.encode())}


def _colour(url: str) -> np.ndarray:
    kind, _, data = url.partition(";base64,")
    if kind != "data:image/jpeg":
        raise ValueError(url[:40])
    with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as image:
        pixels = np.asarray(image.convert("RGB"), np.float64).reshape(-1, 3)
    vivid = np.ptp(pixels, axis=1) > _VIVID
    return np.asarray(pixels[vivid if vivid.any() else slice(None)].mean(axis=0))


def _distance(name: str, colour: np.ndarray) -> float:
    return float(np.linalg.norm(np.array(COLOURS.get(name, (127, 127, 127))) - colour))


@contextmanager
def serving(fake: OpenAiServer, certificate: Path | None = None, *, port: int = 0) -> Iterator[OpenAiServer]:
    """Serve it, on a free port unless told; with a certificate and its key in one file, encrypted."""
    server = _Server(("127.0.0.1", port), type("Bound", (Handler,), {"fake": fake}))
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    fake.url = f"{scheme}://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        for connection in fake.open:  # kept ones would be served on
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        fake.open.clear()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """A caller that goes away is part of the tests."""
