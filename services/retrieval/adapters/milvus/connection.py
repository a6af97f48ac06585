"""A connection to Milvus: made when it is needed, made again when it was lost, its errors translated."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import grpc
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from services.kernel.errors import DeadlineExceeded, Unavailable
from services.runtime import deadline

R = TypeVar("R")
Row = dict[str, Any]

MOST_HITS: Final = 16_384
"""More than these a server does not return of one search."""
_AT_ONCE: Final = 1_000  # rows of one answer, while all are read
_STRONG: Final = "Strong"
_NOT_LOADED: Final = 101


@dataclass(frozen=True)
class Address:
    """Where Milvus is and who asks.

    Args:
        uri: Such as http://10.0.0.1:19530, with a database such as /fovea behind it; https encrypts.
        token: `user:password` or an API key; empty where none is asked for.
        timeout_s: The longest that one call may take.
        ca_file: PEM: who vouches for an https server; None takes whom the system trusts.
    """

    uri: str
    token: str = field(default="", repr=False)
    timeout_s: float = 10.0
    ca_file: Path | None = None


class Connection:
    """What the memory asks of Milvus, safe to use from many threads. Everything raises Unavailable.

    Reads are of consistency Strong: they see everything that was written, by whomever, before they began.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._client: MilvusClient | None = None
        self._lock = threading.Lock()
        # it logs each error with its traceback, and raises it as well
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)

    def search(self, table: str, vectors: Sequence[Any], **options: Any) -> list[list[Row]]:
        """Return the hits of each vector, best first, as {id, distance, entity}."""
        found = self._read(
            table,
            "search",
            lambda client, left: client.search(table, vectors, timeout=left, **_strongly(options)),
        )
        return [list(hits) for hits in found]

    def query(self, table: str, expression: str, fields: Sequence[str], **options: Any) -> list[Row]:
        """Return rows, in no order."""
        found = self._read(
            table,
            "query",
            lambda client, left: client.query(
                table, expression, list(fields), timeout=left, **_strongly(options)
            ),
        )
        return [dict(row) for row in found]

    def count(self, table: str, expression: str) -> int:
        """Return how many rows there are."""
        (row,) = self.query(table, expression, ["count(*)"])
        return int(row["count(*)"])

    def rows(
        self, table: str, expression: str, fields: Sequence[str], *, at_once: int = _AT_ONCE
    ) -> Iterator[list[Row]]:
        """Yield all rows, some at a time, in order of their primary keys."""
        iterator = self._read(
            table,
            "query",
            lambda client, left: client.query_iterator(
                table, at_once, filter=expression, output_fields=list(fields), timeout=left, **_strongly({})
            ),
        )
        try:
            while some := self._read(table, "query", lambda _, __: iterator.next()):
                yield [dict(row) for row in some]
        finally:
            iterator.close()

    def upsert(self, table: str, rows: Sequence[Row], *, partly: bool = False) -> None:
        """Write rows, in place of those of the same primary key; `partly`, only the fields that are given."""
        if rows:
            self._of(
                table,
                "upsert",
                lambda client, left: client.upsert(table, list(rows), timeout=left, partial_update=partly),
            )

    def delete(self, table: str, expression: str) -> None:
        """Delete rows."""
        self._of(table, "delete", lambda client, left: client.delete(table, filter=expression, timeout=left))

    def create(self, table: str, schema: Any, indexes: Any, **options: Any) -> None:
        """Make a table if there is none, and have it loaded."""
        if not self._do("ask", lambda client, left: client.has_collection(table, timeout=left)):
            self._do(
                "create",
                lambda client, left: client.create_collection(
                    table, schema=schema, index_params=indexes, timeout=left, **_strongly(options)
                ),
            )
        self._do("load", lambda client, left: client.load_collection(table, timeout=left))

    def drop(self, table: str) -> None:
        """Drop a table, if there is one."""
        self._do("drop", lambda client, left: client.drop_collection(table, timeout=left))

    def tables(self) -> list[str]:
        """Return the names of all tables of the database."""
        return list(self._do("list", lambda client, left: client.list_collections(timeout=left)))

    def row_count(self, table: str) -> int:
        """Return how many rows a table has, or had, quickly."""
        found = self._do("ask", lambda client, left: client.get_collection_stats(table, timeout=left))
        return int(found["row_count"])

    def close(self) -> None:
        """Release everything; a later call connects anew."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _read(self, table: str, what: str, action: Callable[[MilvusClient, float], R]) -> R:
        deadline.check()
        return self._of(table, what, action)

    def _of(self, table: str, what: str, action: Callable[[MilvusClient, float], R]) -> R:
        """Do something with a table; have it loaded, if it is not: somebody may have released it."""
        try:
            return self._do(what, action)
        except Unavailable as error:
            if not isinstance(error.__cause__, MilvusException) or error.__cause__.code != _NOT_LOADED:
                raise
        self._do("load", lambda client, left: client.load_collection(table, timeout=left))
        return self._do(what, action)

    def _do(self, what: str, action: Callable[[MilvusClient, float], R]) -> R:
        left_s = deadline.remaining_s()
        timeout_s = min(self._address.timeout_s, left_s) if left_s is not None else self._address.timeout_s
        try:
            return action(self._connected(), timeout_s)
        except (MilvusException, grpc.RpcError, grpc.FutureTimeoutError) as error:
            if left_s is not None and deadline.remaining_s() == 0.0:
                raise DeadlineExceeded("the time that the caller gave is used up") from error
            raise Unavailable(
                f"Milvus at {self._address.uri} could not {what}: {_said(error)}", reason="MILVUS_UNAVAILABLE"
            ) from error

    def _connected(self) -> MilvusClient:
        with self._lock:
            if self._client is None:
                at = self._address
                options = {"server_pem_path": str(at.ca_file)} if at.ca_file else {}
                self._client = MilvusClient(
                    at.uri,
                    token=at.token,
                    timeout=at.timeout_s,
                    dedicated=True,
                    **options,
                )
            return self._client


def _strongly(options: dict[str, Any]) -> dict[str, Any]:
    return {"consistency_level": _STRONG, **options}


def _said(error: Exception) -> str:
    text = getattr(error, "message", "") or str(error) or repr(error)
    return text.splitlines()[0][:300] if text else repr(error)
