"""Asks any server with an OpenAI-compatible chat door, with or without a picture."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from models.attributes.asking import MOST_ANSWER, ModelError, Question

_MOST_BYTES: Final = 1 << 20
"""Of a reply; more is not read."""
_BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600)})
_RETRIES: Final = 3
_MOST_PAUSE_S: Final = 60
"""However long a server says to wait."""
_CHUNK: Final = 1 << 16
_SHOWN: Final = 200  # characters of what a server says in an error
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
        pause_s: A busy server is asked again at once, then after twice that, then after four times; or when
            it says, within a minute.
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
        try:
            status, reply = self._answered(json.dumps(self._request(question)).encode())
        except (HTTPError, OSError) as error:
            raise ModelError(f"{self.identity} cannot be reached: {self._said(str(error))}") from error
        if status != HTTPStatus.OK:
            said = self._said(reply.decode(errors="replace"))
            raise ModelError(f"{self.identity} answered with status {status}: {said}")
        return _content(reply, self.identity)

    def _said(self, text: str) -> str:
        """Return the beginning of what a server says; some repeat what they refuse."""
        return (text.replace(self.key, "…") if self.key else text)[:_SHOWN]

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

    def _answered(self, body: bytes) -> tuple[int, bytes]:
        """Return status and content, asked again where the server is busy.

        The pool could do that by itself, but would read what it throws away to its end, however long.
        """
        retry = Retry(
            _RETRIES,
            allowed_methods=None,
            status_forcelist=_BUSY,
            backoff_factor=self.pause_s,
            retry_after_max=_MOST_PAUSE_S,
        )
        while True:
            with closing(self._sent(body)) as response:
                reply = self._bounded(response, time.monotonic() + self.timeout_s)
            if not (retry.total and retry.is_retry("POST", response.status)):
                return response.status, reply
            retry = retry.increment("POST", self.url, response)
            retry.sleep(response)

    def _sent(self, body: bytes) -> urllib3.BaseHTTPResponse:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        return self._pool.request(
            "POST",
            f"{self.url.rstrip('/')}/chat/completions",
            body=body,
            headers=headers,
            timeout=self.timeout_s,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
        )

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        trusted = str(self.ca_file) if self.ca_file else None
        return urllib3.PoolManager(cert_reqs="CERT_REQUIRED", ca_certs=trusted)

    def _bounded(self, response: urllib3.BaseHTTPResponse, ends_at: float) -> bytes:
        """Return the body. Raises ModelError if it is too long, or comes so slowly that the time is up."""
        parts, size = [], 0
        while part := response.read1(_CHUNK):
            parts.append(part)
            size += len(part)
            if size > _MOST_BYTES or time.monotonic() > ends_at:
                raise ModelError(
                    f"{self.identity} answered with more than {_MOST_BYTES} bytes, "
                    f"or for more than {self.timeout_s} s"
                )
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
