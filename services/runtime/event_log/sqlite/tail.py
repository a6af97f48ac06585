"""A reader without a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.runtime.event_log.ports import Record, TopicPartition
from services.runtime.event_log.sqlite.core import Core
from services.runtime.event_log.sqlite.offsets import Waker, wait_for
from services.runtime.event_log.sqlite.reader import Reader


class SqliteTail:
    """Reads all partitions of some topics from given positions on."""

    def __init__(self, core: Core, positions: Mapping[TopicPartition, int]) -> None:
        self._core = core
        self._reader = Reader(core)
        self._reader.positions.update(positions)
        self._waker = Waker()
        self._topics = {source.topic for source in positions}
        core.offsets.watch(self._topics, self._waker)

    def poll(self, timeout_s: float, *, most: int) -> Sequence[Record]:
        """Return the next records of all partitions."""
        return wait_for(lambda: self._read(most), self._waker, timeout_s=timeout_s)

    def position(self) -> Mapping[TopicPartition, int]:
        """Return the next offset of each partition."""
        return dict(self._reader.positions)

    def close(self) -> None:
        """Stop reading."""
        self._core.offsets.unwatch(self._topics, self._waker)
        self._reader.close()

    def __enter__(self) -> SqliteTail:  # noqa: PYI034  (beartype cannot check Self)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, most: int) -> Sequence[Record]:
        self._core.check()
        return self._reader.read(self._reader.positions, most=most)
