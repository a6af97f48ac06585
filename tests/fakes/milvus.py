"""milvus-lite on a folder, and memories in it that are written to as the follower of the log does."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Self

import grpc
from milvus_lite.adapter.grpc.servicer import MilvusServicer
from milvus_lite.db import MilvusLite
from pymilvus.grpc_gen import milvus_pb2_grpc

from services.kernel.vocabulary import CollectionKey, EncodedExemplar
from services.retrieval.adapters.log_memory import LogMemory
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.freshness import LogState
from services.retrieval.adapters.milvus.connection import Address, Connection
from services.retrieval.adapters.milvus.schema import Layout
from services.retrieval.adapters.milvus.state import State
from services.retrieval.adapters.milvus.watch import StateWatch
from services.retrieval.adapters.milvus.writer import MilvusWriter
from services.retrieval.ports import MemoryView
from services.runtime import memory_version
from services.runtime.event_log.ports import TopicPartition

_THREADS = 8
_LOG = "the test's"


class LiteServer:
    """A milvus-lite that can be stopped and started again at the same address.

    Its own start leaves a pool of threads and no way to choose the port twice; this is the same in few lines.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = 0
        self.start()

    @property
    def address(self) -> Address:
        return Address(f"http://127.0.0.1:{self._port}", timeout_s=5.0)

    def start(self) -> None:
        logging.getLogger("milvus_lite").setLevel(logging.CRITICAL)
        self._data = MilvusLite(str(self._folder))
        self._pool = ThreadPoolExecutor(_THREADS)
        self._server = grpc.server(
            self._pool,
            options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
        )
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(self._data), self._server)
        self._port = self._server.add_insecure_port(f"127.0.0.1:{self._port}")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(grace=None).wait()
        self._pool.shutdown()
        self._data.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class WritableMilvus:
    """A memory of its own in the server of this test run; like all of them it is made without arguments.

    It takes the tables of one that is closed, for the client takes half a second to make each index.
    """

    address: ClassVar[Address]
    _numbers: ClassVar[Iterator[int]] = itertools.count()
    _free: ClassVar[list[Layout]] = []

    def __init__(self) -> None:
        fresh = Layout(prefix=f"test{next(self._numbers)}", index="FLAT", partitions=4)
        self.layout = self._free.pop() if self._free else fresh
        self.connection = Connection(self.address)
        for table in filter(self.layout.owns, self.connection.tables()):
            self.connection.delete(table, "term >= 0" if table == self.layout.state else "born >= 0")
        self.writer = MilvusWriter(self.connection, self.layout, fence=lambda: None, keep_s=3_600.0)
        self.writer.begin(State(log=_LOG))
        self._watch = StateWatch(lambda: LogState(_LOG, {0: 0}), self.connection, self.layout)
        self._memory = LogMemory(self._watch, self._wait, most_wait_s=0.01)
        self._written = 0
        self.writer.publish({0: 0}, as_of_s=1.0)

    def remember(self, collection: CollectionKey, encoded: EncodedExemplar) -> str:
        return self._write(Change(collection, encoded.exemplar.exemplar_id, encoded, self._written))

    def forget(self, collection: CollectionKey, exemplar_id: str) -> str:
        return self._write(Change(collection, exemplar_id, None, self._written))

    def view(self, collection: CollectionKey, *, at_least: str = "") -> MemoryView:
        self._watch.look()
        return self._memory.view(collection, at_least=at_least)

    def close(self) -> None:
        self.connection.close()
        self._free.append(self.layout)

    def _write(self, change: Change) -> str:
        self._written += 1
        self.writer.apply([change], {0: self._written})
        return memory_version.encode({0: self._written})

    def _wait(self, offsets: Mapping[TopicPartition, int], timeout_s: float) -> bool:
        return self._watch.wait_until(offsets, timeout_s)


@contextmanager
def milvus_for_all() -> Iterator[None]:
    """Start the server that `WritableMilvus` writes to."""
    with TemporaryDirectory(prefix="milvus-") as folder, LiteServer(Path(folder)) as server:
        WritableMilvus.address = server.address
        yield
        WritableMilvus._free.clear()
