"""`fovea.Client`: everything an application does with Fovea, on one connection."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Self

from fovea.client import health
from fovea.client.collection_calls import CollectionCalls
from fovea.client.connection import Connection, Patience
from fovea.client.explanation_calls import ExplanationCalls
from fovea.client.health import ServiceHealth
from fovea.client.memory_calls import MemoryCalls
from fovea.client.migration_calls import MigrationCalls
from fovea.client.operations_calls import OperationsCalls
from fovea.client.parquet_calls import ParquetCalls
from fovea.client.recognition_calls import RecognitionCalls
from fovea.client.session import Session
from fovea.client.version_calls import VersionCalls

DEFAULT_TARGET: Final = "127.0.0.1:8500"


class Client(
    RecognitionCalls,
    MemoryCalls,
    VersionCalls,
    ParquetCalls,
    CollectionCalls,
    MigrationCalls,
    OperationsCalls,
    ExplanationCalls,
):
    """Recognises and teaches over one connection. Threads may share it; close it, or use `with`.

    >>> import fovea
    >>> with fovea.Client() as client:
    ...     client.teach_image("goldfinch", "goldfinch.jpg")  # by one picture
    ...     client.teach_name("house sparrow")  # by its name alone
    ...     answer = client.recognize("bird.jpg")
    ...     print(answer.best, answer.status, answer.probability_unknown)
    ...     for label, probability in answer.labels:
    ...         print(f"{probability:6.1%} {label}")

    Start a server with `fovea serve`. Every error is a `fovea.FoveaError` with a `message` for people, a
    `reason` for programs, and the `field` that was wrong. Calls that may be repeated are repeated while the
    server is not reachable; a server that asks for time (`retry_after_s`) gets it. What a client taught, its
    own later calls see.

    Args:
        target: `host:port`, or `unix:/path`, of the gateway. Replicas share the calls, and while one is away
            the others have them: `10.0.0.1:8500,10.0.0.2:8500`, or `dns:///name:port` for those of a name.
        tenant: Whose collections are meant.
        collection: The memory that is taught and asked; `using` changes it.
        timeout_s: Deadline of each call with one answer, repetitions included. Streams have none.
        window: Most items of a stream that are sent ahead of their answers.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        tenant: str = "default",
        collection: str = "default",
        timeout_s: float = 30.0,
        window: int = 16,
    ) -> None:
        connection = Connection(target, patience=Patience())
        self._session = Session(connection, tenant, collection, timeout_s, window)

    def using(
        self, *, tenant: str | None = None, collection: str | None = None, timeout_s: float | None = None
    ) -> Self:
        """Return a client of the same connection with another collection, tenant or deadline.

        >>> client.using(collection="birds", timeout_s=2).recognize("bird.jpg")

        Closing either closes the connection of both.
        """
        mine = self._session
        other = object.__new__(type(self))
        other._session = replace(
            mine,
            tenant=mine.tenant if tenant is None else tenant,
            collection=mine.collection if collection is None else collection,
            timeout_s=mine.timeout_s if timeout_s is None else timeout_s,
        )
        return other

    def health(self) -> tuple[ServiceHealth, ...]:
        """Return what the server says of each of its services.

        >>> all(service.serving for service in client.health())

        Raises:
            Unavailable: No server answers.
        """
        session = self._session
        answers = [
            health.check(session.connection, name, timeout_s=session.timeout_s) for name in health.SERVICES
        ]
        return tuple(answer for answer in answers if answer.status != "NOT_HERE")

    def close(self) -> None:
        """Cancel what is in flight and close the connection."""
        self._session.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        session = self._session
        return f"{type(self).__name__}({session.connection.target!r}, {session.tenant}/{session.collection})"
