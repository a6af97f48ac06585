"""An object store on MinIO, or on any S3 that knows conditional writes."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error, ServerError
from pydantic import SecretStr
from urllib3.exceptions import EmptyPoolError, HTTPError, ProtocolError, SSLError

from services.kernel.errors import (
    DeadlineExceeded,
    FoveaError,
    InvalidInput,
    NotFound,
    Overloaded,
    Unavailable,
)
from services.runtime import deadline
from services.runtime.object_store.keys import check_key, check_prefix
from services.runtime.object_store.ports import ObjectEntry

_FIRST_ONLY: Final = {"If-None-Match": "*"}
_CONNECT_S: Final = 2.0
_CHUNK_BYTES: Final = 1 << 20
_BUSY: Final = {"SlowDown", "SlowDownRead", "SlowDownWrite", "TooManyRequests"}
_FULL: Final = {"XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"}
_REFUSED: Final = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"}
_TAKEN: Final = {"PreconditionFailed", "ConditionalRequestConflict"}
_MINE: Final = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


@dataclass(frozen=True)
class MinioSettings:
    """Where the store is and who asks.

    Args:
        endpoint: Such as `http://127.0.0.1:9000`; the scheme says whether TLS is used.
        bucket: Made when it is first used.
        access_key: Who asks.
        secret_key: Never shown.
        region: As the server has it.
        ca_file: PEM of who vouches for it; without it, those that the system trusts.
        timeout_s: The longest that one call may take; a caller with less time is not kept longer.
        connections: At most so many at a time; who finds none free waits.
    """

    endpoint: str
    bucket: str
    access_key: str
    secret_key: SecretStr
    region: str = "us-east-1"
    ca_file: Path | None = None
    timeout_s: float = 10.0
    connections: int = 32


class MinioStore:
    """Keeps each object as one object of a bucket. Needs no server to be made, only to be used."""

    def __init__(self, settings: MinioSettings) -> None:
        self._bucket = settings.bucket
        self._timeout_s = settings.timeout_s
        self._pools = (
            _Pool(settings, {}, again=True),
            # Never sent twice: the second would find the first, and nobody would have been first.
            _Pool(settings, _FIRST_ONLY, again=False),
        )
        self._any, self._first = (_client(settings, pool) for pool in self._pools)
        self._making = threading.Lock()
        self._made = False

    def put(self, key: str, data: bytes) -> None:
        """Store the object under the key, in place of what was there."""
        check_key(key)
        with self._call(f"store {key}"):
            self._any.put_object(self._bucket, key, io.BytesIO(data), len(data))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Store if the key is free; the server lets only one caller find it so.

        Unavailable leaves open whether it was stored, as with every call that had no answer: asking
        again tells.
        """
        check_key(key)
        with self._call(f"store {key}"):
            try:
                self._first.put_object(self._bucket, key, io.BytesIO(data), len(data))
            except S3Error as error:
                if error.code not in _TAKEN:
                    raise
                return False
        return True

    def get(self, key: str) -> bytes:
        """Return the object's bytes."""
        check_key(key)
        with self._call(f"read {key}"):
            response = self._any.get_object(self._bucket, key)
            try:
                return b"".join(self._chunks(response))
            finally:
                response.close()
                response.release_conn()

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield the entries in the order of the keys' bytes; what comes or goes meanwhile may show."""
        check_prefix(prefix)
        return self._listed(prefix)

    def delete(self, key: str) -> None:
        """Remove the object."""
        check_key(key)
        with self._call(f"delete {key}"):
            self._any.remove_object(self._bucket, key)

    def check(self) -> None:
        """Do nothing if the store answers. Raises Unavailable."""
        with self._call("answer"):
            self._any.bucket_exists(self._bucket)

    def close(self) -> None:
        """Close the connections."""
        for pool in self._pools:
            pool.clear()

    def _listed(self, prefix: str) -> Iterator[ObjectEntry]:
        pages = iter(self._any.list_objects(self._bucket, prefix=prefix or None, recursive=True))
        while True:
            with self._call("list"):
                found = next(pages, None)
            if found is None:
                return
            if found.object_name and found.last_modified:
                yield ObjectEntry(found.object_name, found.size or 0, found.last_modified.timestamp())

    def _chunks(self, response: Any) -> Iterator[bytes]:
        """Yield the body, as long as there is time: a server that gives a byte at a time is down."""
        for chunk in response.stream(_CHUNK_BYTES):
            yield chunk
            deadline.check()

    @contextmanager
    def _call(self, action: str) -> Iterator[None]:
        """Limit a block's time, and translate what it raises."""
        deadline.check()
        try:
            with deadline.within(self._timeout_s):
                self._make_bucket()
                yield
        except S3Error as error:
            self._made = self._made and error.code != "NoSuchBucket"
            raise _translated(error, action) from error
        except (MinioException, HTTPError, OSError) as error:
            deadline.check()
            raise _unreachable(error, action) from None  # a cause might carry the request, signature and all
        except DeadlineExceeded:
            deadline.check()  # the caller's own time, if that was it
            raise Unavailable(f"the object store could not {action} within {self._timeout_s} s") from None

    def _make_bucket(self) -> None:
        """Make the bucket unless there is one; of many who try, all succeed."""
        if self._made:
            return
        with self._making:
            if not self._made and not self._any.bucket_exists(self._bucket):
                try:
                    self._any.make_bucket(self._bucket)
                except S3Error as error:
                    if error.code not in _MINE:
                        raise
            self._made = True


class _Pool(urllib3.PoolManager):
    """Connections that give up when the call has no time left.

    Args:
        settings: How many.
        headers: Sent with each PUT.
        again: Whether a request is sent once more if the connection broke, as one does that was kept
            open while the server restarted.
    """

    def __init__(self, settings: MinioSettings, headers: dict[str, str], *, again: bool) -> None:
        trusted = None if settings.ca_file is None else str(settings.ca_file)
        super().__init__(maxsize=settings.connections, block=True, retries=False, ca_certs=trusted)
        self._added = headers
        self._again = again

    def urlopen(  # type: ignore[override]  # as PoolManager itself has it
        self,
        method: str,
        url: str,
        redirect: bool = True,  # noqa: FBT001, FBT002
        **kw: Any,
    ) -> Any:
        """Send one request."""
        if self._added and method == "PUT":
            kw["headers"] = {**kw.get("headers", {}), **self._added}
        try:
            return super().urlopen(method, url, redirect, **kw, **_time())
        except ProtocolError:
            if not self._again:
                raise
            deadline.check()
            return super().urlopen(method, url, redirect, **kw, **_time())


def _time() -> dict[str, Any]:
    """Return what urllib3 is told about the time that is left."""
    left_s = deadline.remaining_s()
    if left_s is None:
        return {}
    return {
        "timeout": urllib3.Timeout(connect=min(_CONNECT_S, left_s), read=left_s),
        "pool_timeout": left_s,
    }


def _client(settings: MinioSettings, pool: _Pool) -> Minio:
    address = urlsplit(settings.endpoint)
    if address.scheme not in {"http", "https"} or not address.netloc:
        raise InvalidInput(f"the endpoint of a store is a URL, not {settings.endpoint!r}", field="endpoint")
    return Minio(
        address.netloc,
        access_key=settings.access_key,
        secret_key=settings.secret_key.get_secret_value(),
        secure=address.scheme == "https",
        region=settings.region,
        http_client=pool,
    )


def _translated(error: S3Error, action: str) -> FoveaError:
    """Return what an answer of the server means."""
    said = f"the object store could not {action}: {error.code}"
    if error.code == "NoSuchKey":
        return NotFound(f"{said}: there is no such object", reason="NO_OBJECT")
    if error.code in _BUSY or error.response.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Overloaded(said, reason="STORE_BUSY")
    if error.code in _FULL:
        return Unavailable(said, reason="STORE_FULL")
    if error.code in _REFUSED:
        return Unavailable(f"{said}: look at its access and secret key", reason="STORE_REFUSED")
    if error.code in {"EntityTooLarge", "KeyTooLongError"}:
        return InvalidInput(said, reason="OBJECT_REFUSED")
    return Unavailable(said)


def _unreachable(error: Exception, action: str) -> FoveaError:
    """Return what no answer means, or one that nobody can read. Says the kind of error alone."""
    if isinstance(error, EmptyPoolError):
        return Overloaded(f"no connection was free to {action}", reason="STORE_BUSY")
    if isinstance(error, SSLError):
        said = error.args[0] if error.args else error  # OpenSSL's own words: nothing has been sent by then
        return Unavailable(
            f"the object store could not {action}: no encrypted connection: {said}",
            reason="STORE_NOT_TRUSTED",
        )
    status = f" {error.status_code}" if isinstance(error, ServerError) else ""
    return Unavailable(f"the object store could not {action}: {type(error).__name__}{status}")
