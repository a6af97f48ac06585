"""Asks any server with an OpenAI-compatible chat door, with or without a picture."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from models.attributes.asking import MOST_ANSWER, ModelError, Question

_MOST_BYTES: Final = 1 << 20
"""Of a reply; more is not read."""
_TOO_MANY: Final = 429
_FAULTS: Final = 500
_OK: Final = 200
_ATTEMPTS: Final = 4
_CHUNK: Final = 1 << 16
_SHOWN: Final = 200  # bytes of what a server says in an error
_KINDS: Final[Mapping[bytes, str]] = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}


@dataclass(frozen=True)
class Endpoint:
    """A model behind an address; temperature 0.

    Attributes:
        url: Up to the version: `https://host/v1`. Redirects are not followed.
        model: As the server calls it.
        key: Sent as a bearer token; empty: none. It is never shown.
        timeout_s: Of one attempt to connect, to be answered, and to have the whole answer.
        ca_file: PEM: who vouches for the server; None takes whom the system trusts.
        pause_s: Before the second attempt, where the server is busy; then twice that, and so on.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    timeout_s: float = 60.0
    ca_file: Path | None = None
    pause_s: float = 1.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url!r} is no http or https address")
        if self.key and not (self.key.isascii() and self.key.isprintable()):
            raise ValueError("the key has characters that no header can have")

    @property
    def identity(self) -> str:
        """The model and where it is: its digest is not to be had."""
        parts = urlsplit(self.url)
        return f"{self.model}@{parts.hostname}{parts.path.rstrip('/')}"

    def answer(self, question: Question) -> str:
        """Return what the model writes. Raises ModelError, which never shows the key."""
        body = json.dumps(self._request(question)).encode()
        pause_s = self.pause_s
        for attempt in range(1, _ATTEMPTS + 1):
            status, reply = self._sent(body)
            busy = status == _TOO_MANY or status >= _FAULTS
            if not busy or attempt == _ATTEMPTS:
                break
            time.sleep(pause_s)
            pause_s *= 2
        if status != _OK:
            said = reply[:_SHOWN].decode(errors="replace")
            if self.key:
                said = said.replace(self.key, "…")  # some servers repeat what they refuse
            raise ModelError(f"{self.identity} answered with status {status}: {said}")
        return _content(reply, self.identity)

    def _request(self, question: Question) -> Mapping[str, Any]:
        told = question.text
        if question.choices:
            told += "\nAnswer with one of these, and nothing else:\n" + "\n".join(question.choices)
        content: list[Mapping[str, Any]] = [{"type": "text", "text": told}]
        if question.picture is not None:
            kind = next((kind for magic, kind in _KINDS.items() if question.picture.startswith(magic)), "")
            if not kind:
                raise ModelError("the picture is none of PNG, JPEG, GIF and WebP")
            data = base64.b64encode(question.picture).decode()
            content.insert(0, {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}})
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": question.most_tokens,
            "temperature": 0,
        }

    def _sent(self, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(self.url)
        connection = self._connection(parts.hostname or "", parts.port, secure=parts.scheme == "https")
        headers = {"Content-Type": "application/json", "Connection": "close"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        try:
            connection.request("POST", f"{parts.path.rstrip('/')}/chat/completions", body, headers)
            with connection.getresponse() as response:
                reply = _bounded(response, time.monotonic() + self.timeout_s)
        except (OSError, http.client.HTTPException) as error:
            raise ModelError(f"{self.identity} cannot be reached: {error}") from error
        finally:
            connection.close()
        if reply is None:
            raise ModelError(
                f"{self.identity} answered with more than {_MOST_BYTES} bytes, "
                f"or for more than {self.timeout_s} s"
            )
        return response.status, reply

    def _connection(self, host: str, port: int | None, *, secure: bool) -> http.client.HTTPConnection:
        if not secure:
            return http.client.HTTPConnection(host, port, timeout=self.timeout_s)
        trusted = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        return http.client.HTTPSConnection(host, port, timeout=self.timeout_s, context=trusted)


def _bounded(response: http.client.HTTPResponse, ends_at: float) -> bytes | None:
    """Return the body; None if it is too long, or comes so slowly that the time is up."""
    parts, size = [], 0
    while part := response.read1(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > _MOST_BYTES or time.monotonic() > ends_at:
            return None
    return b"".join(parts)


def _content(reply: bytes, identity: str) -> str:
    """Return the text of the first choice; anything else a server sends is an error, and bounded."""
    try:
        found = json.loads(reply)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ModelError(f"{identity} answered with something else than a chat completion") from error
    if not isinstance(found, str):
        raise ModelError(f"{identity} answered without a text")
    return found[:MOST_ANSWER]
