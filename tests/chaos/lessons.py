"""A memory that is taught, changed and made to forget, in a way that tells one order from another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from fovea.gateway.v1 import memory_pb2
from fovea.kernel.v1.exemplar_pb2 import EncodedExemplar
from tests.e2e.calls import Calls

_CALL_S: Final = 120.0


class Lessons:
    """Teaches some exemplars; of six, one is taught anew, one forgotten, and one both.

    Args:
        calls: To a collection, which it makes.
        pictures: What is taught, in turns.
        count: How many exemplars.
    """

    def __init__(self, calls: Calls, pictures: Sequence[bytes], count: int) -> None:
        self._calls = calls
        self._pictures = pictures
        self._count = count
        self.right: dict[str, str] = {}
        calls.create_collection()

    def teach(self) -> None:
        """Teach, change and forget; `right` then has the label of each exemplar that must be there."""
        self._remember(range(self._count), "first")
        self._forget(range(0, self._count, 6))
        self._forget(range(1, self._count, 6))
        self._remember(range(1, self._count, 6), "second")
        self._remember(range(2, self._count, 6), "third")

    def teach_all(self) -> None:
        """Teach all of them."""
        self._remember(range(self._count), "again")

    def forget_all(self) -> None:
        """Forget all of them."""
        self._forget(range(self._count))

    def found(self) -> Mapping[str, EncodedExemplar]:
        """Return what the memory has. Raises AssertionError if it has anything twice."""
        newest = self._forget([])
        request = memory_pb2.ExportExemplarsRequest(collection=self._calls.key, min_memory_version=newest)
        exported = [each.exemplar for each in self._calls.memory.ExportExemplars(request, timeout=_CALL_S)]
        found = {each.exemplar.exemplar_id: each for each in exported}
        if len(found) != len(exported):
            raise AssertionError(f"{len(exported)} exemplars have {len(found)} ids")
        return found

    def mistaken(self, found: Mapping[str, EncodedExemplar]) -> set[str]:
        """Return what is there and must not be, or not so."""
        return {name for name, each in found.items() if self.right.get(name) != each.exemplar.label}

    def _remember(self, numbers: range, label: str) -> None:
        requests = (
            memory_pb2.RememberRequest(
                collection=self._calls.key,
                exemplar_id=_name(number),
                label=label,
                image=self._pictures[number % len(self._pictures)],
            )
            for number in numbers
        )
        for answer in self._calls.memory.Remember(requests, timeout=_CALL_S):
            if not answer.HasField("memory_version"):
                raise AssertionError(f"{answer.exemplar_id} was not taken: {answer.failure}")
            self.right[answer.exemplar_id] = label

    def _forget(self, numbers: Sequence[int]) -> str:
        names = [_name(number) for number in numbers]
        request = memory_pb2.ForgetRequest(collection=self._calls.key, exemplar_ids=names or ["nobody"])
        version = self._calls.memory.Forget(request, timeout=_CALL_S).memory_version
        for name in names:
            self.right.pop(name)
        return version


def _name(number: int) -> str:
    return f"exemplar-{number}"
