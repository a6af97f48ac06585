"""JSON over HTTP, for servers of others: limited in time and size, and without surprises.

No proxy is taken from the environment, no redirect is followed (it would carry the key elsewhere), nothing is
decompressed, certificates are checked.
"""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from pydantic import SecretStr
from urllib3.exceptions import EmptyPoolError, HTTPError, NewConnectionError, ProtocolError, SSLError
from urllib3.exceptions import TimeoutError as WireTimeout

from services.kernel.errors import DeadlineExceeded, FoveaError, InvalidInput, Overloaded, Unavailable
from services.ranking.adapters.remote.asking import MOST_ANSWER_BYTES, said
from services.runtime import deadline
from services.runtime.settings import is_loopback

_CONNECT_S: Final = 2.0
_CHUNK_BYTES: Final = 1 << 16
_MOST_RETRY_S: Final = 3600.0
_NOT_ALLOWED: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


@dataclass(frozen=True)
class WireSettings:
    """Where a server is, and who asks.

    Args:
        url: Its address up to the version, such as `https://host/v1`.
        key: Sent as a bearer token; empty: none. Never shown.
        ca_file: PEM of who vouches for it; without it, those that the system trusts.
        timeout_s: The longest that one call may take; a caller with less time is not kept longer.
        connections: At most so many at a time; who finds none free waits.
    """

    url: str
    key: SecretStr = field(default_factory=lambda: SecretStr(""))
    ca_file: Path | None = None
    timeout_s: float = 10.0
    connections: int = 8


class Wire:
    """Sends and reads JSON. Needs no server to be made, only to be used."""

    def __init__(self, settings: WireSettings) -> None:
        _check(settings)
        self._settings = settings
        trusted = None if settings.ca_file is None else str(settings.ca_file)
        self._pool = urllib3.PoolManager(
            maxsize=settings.connections,
            block=True,
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=trusted,
        )

    def post(self, path: str, content: Mapping[str, Any]) -> Any:
        """Return what the server answers to JSON.

        Raises:
            Unavailable, Overloaded, DeadlineExceeded: There is no answer that can be used.
        """
        return self._call("POST", path, json.dumps(content, ensure_ascii=True).encode("ascii"))

    def get(self, path: str) -> Any:
        """Return what the server says; see `post`."""
        return self._call("GET", path, None)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _call(self, method: str, path: str, body: bytes | None) -> Any:
        with self._limited():
            response = self._sent(method, path, body)
            try:
                content = b"".join(self._chunks(response))
            finally:
                response.close()  # one that was not read to its end is not used again
            if response.status != HTTPStatus.OK:
                raise self._refused(response, content)
            return _decoded(content)

    def _sent(self, method: str, path: str, body: bytes | None) -> Any:
        """Send a request; once more if the connection was one that the server had closed meanwhile."""
        try:
            return self._send(method, path, body)
        except ProtocolError:
            deadline.check()
            return self._send(method, path, body)

    def _send(self, method: str, path: str, body: bytes | None) -> Any:
        left_s = deadline.remaining_s() or 0.0
        return self._pool.request(
            method,
            self._settings.url.rstrip("/") + path,
            body=body,
            headers=self._headers(),
            timeout=urllib3.Timeout(connect=min(_CONNECT_S, left_s), read=left_s),
            pool_timeout=left_s,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )

    def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "fovea",
        }
        if key := self._settings.key.get_secret_value():
            headers["Authorization"] = f"Bearer {key}"
        return headers

    def _chunks(self, response: Any) -> Iterator[bytes]:
        """Yield the body as it comes, as long as there is time and it is not too large."""
        size = 0
        while chunk := response.read1(_CHUNK_BYTES, decode_content=False):
            size += len(chunk)
            if size > MOST_ANSWER_BYTES:
                raise Unavailable(
                    f"the ranker's answer has more than {MOST_ANSWER_BYTES} bytes", reason="RANKER_ANSWER"
                )
            yield chunk
            deadline.check()

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """Limit a block's time, and translate what it raises. Says the kind of error alone: nothing sent."""
        deadline.check()
        try:
            with deadline.within(self._settings.timeout_s):
                yield
        except HTTPError as error:
            deadline.check()
            raise _unreachable(error) from None
        except DeadlineExceeded:
            deadline.check()  # the caller's own time, if that was it
            raise Unavailable(
                f"the ranker had no answer within {self._settings.timeout_s} s", reason="RANKER_SLOW"
            ) from None

    def _refused(self, response: Any, content: bytes) -> FoveaError:
        """Return what a status other than 200 means."""
        status = response.status
        if status in _NOT_ALLOWED:  # its words may repeat the key
            return Unavailable(f"the ranker answered {status}: look at its key", reason="RANKER_NOT_ALLOWED")
        words = f"the ranker answered {status}: {self._said(content)}".rstrip(": ")
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return Overloaded(words, retry_after_s=_retry_after_s(response.headers), reason="RANKER_BUSY")
        down = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return Unavailable(words, reason="RANKER_DOWN" if down else "RANKER_REFUSED")

    def _said(self, content: bytes) -> str:
        """Return the server's words about an error, without the key if they have it."""
        try:
            error = json.loads(content)["error"]
            words = error["message"] if isinstance(error, dict) else error
        except (ValueError, TypeError, KeyError, RecursionError):
            return ""
        key = self._settings.key.get_secret_value()
        return said(str(words).replace(key, "***") if key else words)


def _check(settings: WireSettings) -> None:
    address = urlsplit(settings.url)
    if address.scheme not in {"http", "https"} or not address.netloc or "@" in address.netloc:
        raise InvalidInput(
            "the address of a ranker is a URL such as https://host/v1", field="remote_ranker_url"
        )
    if address.query or address.fragment:
        raise InvalidInput("the address of a ranker ends before ? and #", field="remote_ranker_url")
    if (
        settings.key.get_secret_value()
        and address.scheme == "http"
        and not is_loopback(address.hostname or "")
    ):
        raise InvalidInput(
            "a key is not sent over http://, where anybody on the way can read it; use https://",
            field="remote_ranker_key",
        )


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unavailable(f"the ranker's answer is no JSON: {said(error)}", reason="RANKER_ANSWER") from None


def _unreachable(error: Exception) -> FoveaError:
    if isinstance(error, EmptyPoolError):
        return Overloaded("no connection to the ranker was free", reason="RANKER_BUSY")
    if isinstance(error, SSLError):
        words = error.args[0] if error.args else error  # OpenSSL's own: nothing has been sent by then
        return Unavailable(
            f"no encrypted connection to the ranker: {said(words)}", reason="RANKER_NOT_TRUSTED"
        )
    slow = isinstance(error, WireTimeout) and not isinstance(error, NewConnectionError)
    reason = "RANKER_SLOW" if slow else "RANKER_DOWN"
    return Unavailable(f"the ranker cannot be reached: {type(error).__name__}", reason=reason)


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait: a number, or what is left until a date; 1 if it says neither."""
    written = headers.get("Retry-After", "").strip()
    try:
        seconds = float(written)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(written).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return 1.0
    return min(max(seconds, 0.0), _MOST_RETRY_S) if seconds == seconds else 1.0  # noqa: PLR0124  (NaN)
