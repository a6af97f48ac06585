"""Everything that applications do with the client library, by many at a time, and what they saw of it."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import fovea
from tests.e2e.pictures import COLOURS, png

LABELS: Final = sorted(COLOURS)
LESSONS: Final = "lessons"
_PICTURES: Final = 60
_AFTER_FAILURE_S: Final = 0.5
_WITHOUT: Final = frozenset({"whole_image", "ranking_unavailable"})  # rungs: a service was not to be had


@dataclass
class Seen:
    """What callers saw; safe to use from many threads.

    Args:
        answers: Calls and items of streams that were answered.
        failures: Those that failed, and why: what was called, then the error's class and reason.
        wrong: Answers that are not the right ones, or that were given without one of the services.
        receipts: Recognition ids that were accepted, with the label that their picture shows.
        watched: How often a watcher was shown each record.
        taught: Exemplars that were acknowledged.
    """

    answers: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    receipts: dict[str, str] = field(default_factory=dict)
    watched: Counter[str] = field(default_factory=Counter)
    taught: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, found: fovea.Recognition, label: str, kind: str) -> None:
        """Count an answer."""
        if found.failure is not None:
            self.fail(found.failure, kind)
            return
        rungs = {rung for stage in found.stages for rung in stage.rungs}
        with self._lock:
            self.answers += 1
            if found.best != label or rungs & _WITHOUT:
                self.wrong.append(f"{found.recognition_id}: {found.best} for {label}, {sorted(rungs)}")

    def fail(self, error: fovea.FoveaError, kind: str) -> None:
        """Count a failure."""
        with self._lock:
            self.failures[f"{kind}: {type(error).__name__} {error.reason} {error.message[:200]}"] += 1


class Callers:
    """Threads that call until they are told to stop.

    Args:
        client: Of a collection that knows every label.
        batch: Begins the ids of what is handed in.
        waiting: How many wait for single pictures, each for one at a time.
        streams: How many send a stream of pictures.
        batches: How many hand pictures in.
    """

    def __init__(self, client: fovea.Client, batch: str, *, waiting: int, streams: int, batches: int) -> None:
        self._client = client
        self._batch = batch
        self.seen = Seen()
        self._stop = threading.Event()
        self._pictures = [(label, png(label, seed=n)) for n in range(_PICTURES) for label in LABELS]
        kinds: list[tuple[Callable[[int], None], int]] = [
            (self._wait, waiting),
            (self._stream, streams),
            (self._hand_in, batches),
            (self._teach, 1),
        ]
        self._threads = [
            threading.Thread(target=work, args=(number,), name=f"{work.__name__}-{number}", daemon=True)
            for work, count in kinds
            for number in range(count)
        ]
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def start(self) -> None:
        """Begin."""
        for thread in (self._watcher, *self._threads):
            thread.start()

    def stop(self, timeout_s: float) -> None:
        """Ask for nothing more, and wait until everything has its answer."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout_s)
        stuck = [thread.name for thread in self._threads if thread.is_alive()]
        assert not stuck, f"no answer came to {stuck}"

    def _shown(self, number: int) -> Iterator[tuple[str, bytes]]:
        """Yield pictures with their labels until it is time to stop."""
        for label, picture in itertools.cycle(self._pictures[number % len(self._pictures) :]):
            if self._stop.is_set():
                return
            yield label, picture

    def _wait(self, number: int) -> None:
        for label, picture in self._shown(number):
            try:
                self.seen.answer(self._client.recognize(picture), label, "recognize")
            except fovea.FoveaError as error:
                self.seen.fail(error, "recognize")
                self._stop.wait(_AFTER_FAILURE_S)

    def _stream(self, number: int) -> None:
        labels: list[str] = []

        def pictures() -> Iterator[bytes]:
            for label, picture in self._shown(number):
                labels.append(label)
                yield picture

        try:
            for count, answer in enumerate(self._client.recognize_many(pictures())):
                self.seen.answer(answer, labels[count], "stream")
        except fovea.FoveaError as error:
            self.seen.fail(error, "a whole stream")

    def _hand_in(self, number: int) -> None:
        labels: dict[str, str] = {}

        def pictures() -> Iterator[fovea.Picture]:
            for count, (label, picture) in enumerate(self._shown(number)):
                name = f"{self._batch}-{number}-{count}"
                labels[name] = label
                yield fovea.Picture(picture, recognition_id=name)

        try:
            for receipt in self._client.submit(pictures(), submission_id=f"{self._batch}-{number}"):
                if receipt.failure is None:
                    self.seen.receipts[receipt.recognition_id] = labels[receipt.recognition_id]
                else:
                    self.seen.fail(receipt.failure, "submit")
        except fovea.FoveaError as error:
            self.seen.fail(error, "a whole submission")

    def _teach(self, number: int) -> None:
        lessons = self._client.using(collection=LESSONS)
        for label, picture in self._shown(number):
            try:
                self.seen.taught.add(lessons.teach_image(label, picture).exemplar_id)
            except fovea.FoveaError as error:
                self.seen.fail(error, "teach")
                self._stop.wait(_AFTER_FAILURE_S)

    def _watch(self) -> None:
        try:
            for answer in self._client.watch():
                self.seen.watched[answer.recognition_id] += 1
        except fovea.FoveaError as error:
            if not self._stop.is_set():
                self.seen.fail(error, "watch")
