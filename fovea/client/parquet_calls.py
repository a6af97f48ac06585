"""The client's calls between a memory and a Parquet file."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import grpc

from fovea.client.errors import FoveaError, Unsupported
from fovea.client.memory import Imported, VectorColumn
from fovea.client.ordered_stream import OrderedStream
from fovea.client.parquet.frames import Row
from fovea.client.parquet.guarded import ExemplarFile
from fovea.client.session import Session
from fovea.client.statuses import from_failure
from fovea.gateway.v1 import memory_pb2 as pb
from fovea.kernel.v1 import exemplar_pb2

_WINDOW: Final = 64
"""Rows ahead of their answers, at least: they are small, and a server publishes those that wait together."""

Shown = Callable[[int, int], None]
"""Told how many rows of how many are done."""


def _nobody(done: int, total: int) -> None:
    """Show nothing."""


class ParquetCalls:
    """Calls that carry a whole memory away, and bring one."""

    _session: Session

    def export_parquet(self, path: str | os.PathLike[str], *, shown: Shown = _nobody) -> int:
        """Write every exemplar of the collection, with its embeddings, into a Parquet file; return how many.

        >>> client.export_parquet("birds.parquet")

        The file is there when it is complete, or not at all. Needs `pip install 'fovea[parquet]'`.

        Args:
            path: Where to; a file that is there is replaced.
            shown: Told now and then how many of how many are written.
        """
        _require_pyarrow()
        from fovea.client.parquet import layout, writing  # noqa: PLC0415  (they import it)

        session, memory = self._session, self._session.connection.memory
        labels = session.connection.call(
            memory.ListLabels,
            pb.ListLabelsRequest(collection=session.key, min_memory_version=session.memory_version),
            timeout_s=session.timeout_s,
        )
        total = sum(each.exemplars for each in labels.labels)
        about = layout.About("/".join(session.scope), labels.memory_version, {})
        return writing.write_exemplars(
            Path(path),
            self._exported(labels.memory_version),
            about,
            shown=lambda done: shown(done, max(done, total)),
        )

    def import_parquet(
        self, path: str | os.PathLike[str], *, vectors: VectorColumn | None = None, shown: Shown = _nobody
    ) -> Iterator[Imported]:
        """Take the exemplars of a Parquet file with their embeddings; nothing is encoded, nothing is trained.

        >>> failed = [row for row in client.import_parquet("birds.parquet") if row.failure]

        Each answer says that one row is durable, in the order of the file, or carries its `failure`; the rest
        goes on. Rows keep their ids, so a broken run is simply run again. Pictures do not travel: a row keeps
        the digest of its own. Needs `pip install 'fovea[parquet]'`.

        Args:
            path: A file of `export_parquet`; or any with columns `label` and a list of numbers, and perhaps
                `exemplar_id`, `kind`, `text` and `attributes`.
            vectors: Who made the vectors, if the file does not say so.
            shown: Told how many of how many rows are dealt with.

        Raises:
            InvalidInput: It is no such file, or damaged; what stands before the damage is taken.
        """
        _require_pyarrow()
        return self._imported(Path(path), vectors, shown)

    def _imported(self, path: Path, vectors: VectorColumn | None, shown: Shown) -> Iterator[Imported]:
        stream: OrderedStream[Row, pb.ImportExemplarsRequest, pb.ImportExemplarsResponse] = OrderedStream(
            self._session.connection,
            self._session.connection.memory.ImportExemplars,
            self._import_request,
            window=max(self._session.window, _WINDOW),
        )
        with ExemplarFile(path, vectors) as file:
            for row, answer in stream.run(file):
                yield self._taken(row, answer)
                shown(row.number, file.rows)

    def _import_request(self, row: Row) -> pb.ImportExemplarsRequest:
        if row.error is not None:
            raise row.error
        return pb.ImportExemplarsRequest(collection=self._session.key, exemplar=row.exemplar)

    def _taken(self, row: Row, answer: pb.ImportExemplarsResponse | FoveaError) -> Imported:
        if isinstance(answer, FoveaError):
            return Imported(row.number, failure=answer)
        if answer.HasField("failure"):
            failure = _by_column(from_failure(answer.failure), row)
            return Imported(row.number, answer.exemplar_id, failure=failure)
        self._session.wrote(answer.memory_version)
        return Imported(row.number, answer.exemplar_id, answer.memory_version)

    def _exported(self, memory_version: str) -> Iterator[exemplar_pb2.EncodedExemplar]:
        request = pb.ExportExemplarsRequest(collection=self._session.key, min_memory_version=memory_version)
        call = self._session.connection.memory.ExportExemplars(request)
        try:
            for answer in call:
                yield answer.exemplar
        except grpc.RpcError as failed:
            raise self._session.connection.translate(failed) from failed
        finally:
            call.cancel()


def _require_pyarrow() -> None:
    """Say kindly what is missing."""
    if importlib.util.find_spec("pyarrow") is None:
        raise Unsupported(
            "Parquet files need pyarrow, which is not installed: pip install 'fovea[parquet]'",
            reason="PYARROW_MISSING",
        )


def _by_column(failure: FoveaError, row: Row) -> FoveaError:
    """Return what the server says of a row in the words of the file."""
    names = {f"exemplar.embeddings[{i}].vector": column for i, column in enumerate(row.columns)}
    names |= {"exemplar.exemplar.": "", "embeddings": ", ".join(row.columns)}
    message, field = failure.message, failure.field
    for said, column in names.items():
        if field.startswith(said):
            message, field = message.replace(said, column), field.replace(said, column)
            break
    return type(failure)(
        f"row {row.number}, column {field or '?'}: {message}" if field else f"row {row.number}: {message}",
        reason=failure.reason,
        field=field,
        retry_after_s=failure.retry_after_s,
    )
