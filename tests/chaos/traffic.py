"""Callers at both doors while something is done to the platform, and how each of their requests ended."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Self

import grpc

from fovea.gateway.v1 import gateway_pb2
from fovea.kernel.v1.recognition_pb2 import RECOGNITION_STATE_COMPLETED, Recognition
from services.runtime.grpc_errors import from_rpc_error
from tests.e2e.calls import Calls

TOLERANCE: Final = 1e-3
"""Of a probability or a cosine: a batch of another size gives other last digits."""
_AGAIN_S: Final = 0.1
_CALLS_AT_ONCE: Final = 2


@dataclass(frozen=True)
class Answer:
    """What a record says of an image, and what it says it by, without ids and times."""

    labels: tuple[tuple[str, ...], ...]
    numbers: tuple[float, ...]
    models: tuple[str, ...]

    @classmethod
    def of(cls, record: Recognition) -> Answer:
        """Return what a record says."""
        rankings = [region.ranking for region in record.regions]
        return cls(
            labels=tuple(tuple(each.label for each in ranking.labels) for ranking in rankings),
            numbers=(
                *(ranking.probability_unknown for ranking in rankings),
                *(each.probability for ranking in rankings for each in ranking.labels),
                *_similarities(record),
            ),
            models=tuple(model for stage in record.envelope.stages for model in stage.models),
        )

    def like(self, other: Answer) -> bool:
        """Whether both say the same, but for rounding."""
        if (self.labels, self.models) != (other.labels, other.models):
            return False
        if len(self.numbers) != len(other.numbers):
            return False
        pairs = zip(self.numbers, other.numbers, strict=True)
        return all(abs(one - another) <= TOLERANCE for one, another in pairs)


def _similarities(record: Recognition) -> Iterator[float]:
    """Yield how near the image is to each exemplar that it was held against, in every space."""
    for region in record.regions:
        for candidate in region.candidates.candidates:
            yield from (neighbour.similarity for neighbour in candidate.neighbours)


@dataclass(frozen=True)
class Ended:
    """How one waiting call ended. Times are on the monotonic clock; `code` is its status, OK or another."""

    began_s: float
    ended_s: float
    code: str
    reason: str = ""
    right: bool = True

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended_s - self.began_s


class Waiting:
    """Callers who wait for their answer; each calls again when it has one.

    Args:
        calls: How they call.
        pictures: What they show, one after the other.
        expected: What is to be answered to each.
        timeout_s: What they give each call.
    """

    def __init__(
        self, calls: Calls, pictures: Mapping[str, bytes], expected: Mapping[str, Answer], *, timeout_s: float
    ) -> None:
        self._calls = calls
        self._pictures = pictures
        self._expected = expected
        self._timeout_s = timeout_s
        self._stop = threading.Event()
        self._names = itertools.cycle(pictures)
        self._pool = ThreadPoolExecutor(_CALLS_AT_ONCE, thread_name_prefix="waiting-caller")
        self.ended: list[Ended] = []

    def since(self, began_s: float) -> list[Ended]:
        """Return the calls that began later."""
        return [one for one in list(self.ended) if one.began_s >= began_s]

    def __enter__(self) -> Self:
        self._running = [self._pool.submit(self._call_on) for _ in range(_CALLS_AT_ONCE)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        for one in self._running:
            one.result()

    def _call_on(self) -> None:
        while not self._stop.is_set():
            name = next(self._names)
            began_s = time.monotonic()
            code, reason, right = self._called(name)
            self.ended.append(Ended(began_s, time.monotonic(), code, reason, right))
            if code != "OK":
                self._stop.wait(_AGAIN_S)

    def _called(self, name: str) -> tuple[str, str, bool]:
        request = gateway_pb2.RecognizeRequest(task=self._calls.task(self._pictures[name]))
        try:
            record = self._calls.gateway.Recognize(request, timeout=self._timeout_s).recognition
        except grpc.RpcError as error:
            return error.code().name, from_rpc_error(error).reason, True
        return "OK", "", Answer.of(record).like(self._expected[name])


class Batch:
    """Images handed in at the streaming door, each again until there is a receipt for it.

    Args:
        calls: How they are handed in.
        name: Of the batch.
        images: By recognition id.
    """

    def __init__(self, calls: Calls, name: str, images: Mapping[str, bytes]) -> None:
        self._calls = calls
        self.name = name
        self.images = images
        self.refused: Counter[str] = Counter()
        self._left = dict(images)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._hand_in, name=f"batch:{name}")

    @property
    def accepted(self) -> int:
        """How many have a receipt."""
        return len(self.images) - len(self._left)

    @property
    def accepted_all(self) -> bool:
        """Whether all have a receipt."""
        return not self._left

    @property
    def over(self) -> bool:
        """Whether all have ended."""
        try:
            found = self._calls.submission(self.name)
        except grpc.RpcError:
            return False
        return bool(found.completed + found.failed >= len(self.images))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _hand_in(self) -> None:
        while self._left and not self._stop.is_set():
            try:
                for answer in self._calls.submit(dict(self._left), submission_id=self.name):
                    self._note(answer)
            except grpc.RpcError as error:
                self.refused[error.code().name] += 1
            self._stop.wait(_AGAIN_S)

    def _note(self, answer: gateway_pb2.SubmitImagesResponse) -> None:
        if answer.HasField("receipt"):
            self._left.pop(answer.recognition_id, None)
        else:
            self.refused[answer.failure.status] += 1


def ended_well(record: Recognition) -> bool:
    """Whether the record is an answer."""
    return record.state == RECOGNITION_STATE_COMPLETED
