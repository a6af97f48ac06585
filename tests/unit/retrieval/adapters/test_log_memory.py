from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.kernel.errors import DeadlineExceeded, InvalidInput, Unavailable
from services.retrieval.adapters.exemplar_records import TOPIC
from services.retrieval.adapters.log_memory import LogMemory
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.runtime import deadline
from services.runtime.event_log.ports import TopicPartition
from tests.fakes.exemplars import BIRDS


@dataclass
class Waiting:
    """Stands for the follower: notes how long it was waited for."""

    arrives: bool
    waits: list[tuple[dict[TopicPartition, int], float]] = field(default_factory=list)

    def __call__(self, offsets: Mapping[TopicPartition, int], timeout_s: float) -> bool:
        self.waits.append((dict(offsets), timeout_s))
        return self.arrives


def test_without_a_version_nobody_waits() -> None:
    wait = Waiting(arrives=False)

    LogMemory(SegmentedIndex(Path("nowhere")), wait, most_wait_s=5.0).view(BIRDS)

    assert wait.waits == []


def test_a_read_waits_for_the_offsets_of_its_version_as_long_as_is_allowed() -> None:
    wait = Waiting(arrives=True)

    LogMemory(SegmentedIndex(Path("nowhere")), wait, most_wait_s=5.0).view(BIRDS, at_least="v1.0-7.3-1")

    assert wait.waits == [({TopicPartition(TOPIC, 0): 7, TopicPartition(TOPIC, 3): 1}, 5.0)]


def test_a_memory_that_does_not_get_there_is_unavailable() -> None:
    memory = LogMemory(SegmentedIndex(Path("nowhere")), Waiting(arrives=False), most_wait_s=5.0)

    with deadline.within(60.0), pytest.raises(Unavailable) as refused:
        memory.view(BIRDS, at_least="v1.0-7")

    assert (refused.value.field, refused.value.reason) == ("min_memory_version", "MEMORY_BEHIND")


def test_a_read_does_not_wait_longer_than_its_caller() -> None:
    wait = Waiting(arrives=False)

    with deadline.within(0.25), pytest.raises(DeadlineExceeded) as refused:
        LogMemory(SegmentedIndex(Path("nowhere")), wait, most_wait_s=5.0).view(BIRDS, at_least="v1.0-7")

    assert 0 < wait.waits[0][1] <= 0.25
    assert refused.value.reason == "MEMORY_BEHIND"


def test_garbage_is_refused_before_anybody_waits() -> None:
    wait = Waiting(arrives=True)

    with pytest.raises(InvalidInput):
        LogMemory(SegmentedIndex(Path("nowhere")), wait, most_wait_s=5.0).view(BIRDS, at_least="yesterday")

    assert wait.waits == []


def test_a_version_of_another_memory_is_refused() -> None:
    def stranger(offsets: Mapping[TopicPartition, int], timeout_s: float) -> bool:
        raise InvalidInput(f"{offsets} is not followed here ({timeout_s})")

    with pytest.raises(InvalidInput) as refused:
        LogMemory(SegmentedIndex(Path("nowhere")), stranger, most_wait_s=5.0).view(BIRDS, at_least="v1.9-1")

    assert (refused.value.field, refused.value.reason) == ("min_memory_version", "MEMORY_VERSION_INVALID")
