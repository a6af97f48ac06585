"""Clients that do what a client has to: a call that broke is made again, with the same id."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Final, Protocol, TypeVar

import grpc

from fovea.gateway.v1 import gateway_pb2, memory_pb2
from fovea.kernel.v1.recognition_pb2 import Recognition
from tests.chaos.ledger import Evidence
from tests.e2e.calls import Calls

T = TypeVar("T")
_AGAIN_S: Final = 0.1
_PAUSE_S: Final = 0.3
_STREAM_S: Final = 60.0

# What a caller may hear while a server or a service is away. Anything else is a broken promise.
_PASSING: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "CANCELLED"})


class Client(Protocol):
    """Does its work in a thread of its own until it is done or told to stop."""

    def run(self, stop: threading.Event) -> None:
        """Work."""
        ...


class Broken:
    """The calls that broke."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, status: str, what: object) -> None:
        """Count one. Raises AssertionError if no caller may ever hear this."""
        if status not in _PASSING:
            raise AssertionError(f"a caller heard {status}: {what}")
        self.counts[status] += 1

    def until_answered(self, call: Callable[[], T], stop: threading.Event) -> T | None:
        """Return what a call gives, made again until it gives something; None if told to stop."""
        while not stop.is_set():
            try:
                return call()
            except grpc.RpcError as error:
                self.note(error.code().name, error)
                stop.wait(_AGAIN_S)
        return None


class Sender:
    """Hands images in at the streaming door, each until there is a receipt for it.

    Args:
        calls: To its collection.
        submission_id: Of all of them.
        images: By recognition id, in the order in which they are handed in.
    """

    def __init__(self, calls: Calls, submission_id: str, images: Mapping[str, bytes]) -> None:
        self._calls = calls
        self._submission_id = submission_id
        self._left = dict(enumerate(images.items()))
        self._numbers = {name: number for number, name in enumerate(images)}
        self.names = frozenset(images)
        self._allowed = 0
        self._changed = threading.Condition()
        self.accepted: set[str] = set()
        self.broken = Broken()

    @property
    def done(self) -> bool:
        """Whether all have a receipt."""
        return not self._left

    def allow(self, count: int) -> None:
        """Let so many more go."""
        with self._changed:
            self._allowed += count
            self._changed.notify_all()

    def run(self, stop: threading.Event) -> None:
        """Hand in until all have a receipt."""
        while self._left and not stop.is_set():
            try:
                for answer in self._calls.gateway.SubmitImages(self._requests(stop), timeout=_STREAM_S):
                    self._take(answer)
            except grpc.RpcError as error:
                self.broken.note(error.code().name, error)
                stop.wait(_AGAIN_S)

    def _requests(self, stop: threading.Event) -> Iterator[gateway_pb2.SubmitImagesRequest]:
        for number, (name, image) in list(self._left.items()):
            with self._changed:
                while not stop.is_set() and number >= self._allowed:
                    self._changed.wait(_AGAIN_S)
            if stop.is_set():
                return
            task = self._calls.task(image, recognition_id=name)
            yield gateway_pb2.SubmitImagesRequest(submission_id=self._submission_id, task=task)

    def _take(self, answer: gateway_pb2.SubmitImagesResponse) -> None:
        if answer.HasField("failure"):
            self.broken.note(answer.failure.status, answer)
        else:
            self._left.pop(self._numbers[answer.recognition_id], None)
            self.accepted.add(answer.recognition_id)


class Watcher:
    """Watches a collection, and comes again behind its token whenever the watch breaks.

    Args:
        calls: To the collection.
        evidence: Is told what was shown.
    """

    def __init__(self, calls: Calls, evidence: Evidence) -> None:
        self._calls = calls
        self._evidence = evidence
        self._token = ""
        self.broken = Broken()
        self.began = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Watch."""
        while not stop.is_set():
            request = gateway_pb2.WatchRecognitionsRequest(
                collection=self._calls.key, resume_token=self._token
            )
            stream = self._calls.gateway.WatchRecognitions(request)
            threading.Thread(target=_cancel_at, args=(stop, stream), daemon=True).start()
            try:
                for answer in stream:
                    self._see(answer)
            except grpc.RpcError as error:
                self.broken.note(error.code().name, error)
                stop.wait(_AGAIN_S)

    def renew(self) -> None:
        """Go on from now, not from what was shown last."""
        key = self._calls.key
        stream = self._calls.gateway.WatchRecognitions(gateway_pb2.WatchRecognitionsRequest(collection=key))
        self._token = next(iter(stream)).resume_token
        stream.cancel()

    def _see(self, answer: gateway_pb2.WatchRecognitionsResponse) -> None:
        if answer.HasField("recognition"):
            record = answer.recognition
            self._evidence.shown[record.envelope.recognition_id].append(record)
        self._token = answer.resume_token
        self.began.set()


class Waiter:
    """Recognises one picture after the other at the waiting door; asks again with the same id.

    Args:
        calls: To its collection.
        pictures: What it shows.
        evidence: Is told what was answered.
    """

    def __init__(self, calls: Calls, pictures: Sequence[bytes], evidence: Evidence) -> None:
        self._calls = calls
        self._pictures = pictures
        self._evidence = evidence
        self.answered: set[str] = set()
        self.broken = Broken()

    @property
    def text(self) -> str:
        """What there is to say of it."""
        degraded = sum(_degraded(self._evidence.answers[name]) for name in self.answered)
        return (
            f"Of {len(self.answered)} calls that were waited for, made again {self.broken.counts.total()} "
            f"times, {degraded} were answered without a service that was away, and say so."
        )

    def expected(self, undisturbed: Sequence[Recognition]) -> dict[str, Recognition]:
        """Return what must have been answered where every service took part."""
        return {
            name: undisturbed[int(name.rpartition("-")[2]) % len(self._pictures)]
            for name in self.answered
            if not _degraded(self._evidence.answers[name])
        }

    def run(self, stop: threading.Event) -> None:
        """Call until told to stop."""
        number = 0
        while not stop.wait(_PAUSE_S):
            name, picture = f"waiting-{number}", self._pictures[number % len(self._pictures)]
            number += 1
            recognize = partial(self._calls.recognize, picture, recognition_id=name)
            record = self.broken.until_answered(recognize, stop)
            if record is not None:
                self.answered.add(name)
                self._evidence.hear(name, record)


class Teacher:
    """Teaches exemplars and has every third one forgotten, each until that is acknowledged.

    Args:
        calls: To a collection of its own.
        pictures: What it teaches.
    """

    def __init__(self, calls: Calls, pictures: Sequence[bytes]) -> None:
        self._calls = calls
        self._pictures = pictures
        self.known: set[str] = set()
        self.forgotten: set[str] = set()
        self.broken = Broken()

    def run(self, stop: threading.Event) -> None:
        """Teach until told to stop."""
        number = 0
        while not stop.wait(_PAUSE_S):
            name = f"exemplar-{number}"
            if self._taught(name, self._pictures[number % len(self._pictures)], stop):
                self.known.add(name)
            if number % 3 == 2 and name in self.known:
                self.known.discard(name)  # from now on either is right, until it is acknowledged
                if self._forgotten(name, stop):
                    self.forgotten.add(name)
            number += 1

    def found(self) -> Counter[str]:
        """Return how often the memory has each exemplar, at least as new as all that was acknowledged."""
        nobody = memory_pb2.ForgetRequest(collection=self._calls.key, exemplar_ids=["nobody"])
        newest = self._calls.memory.Forget(nobody, timeout=_STREAM_S).memory_version
        request = memory_pb2.ExportExemplarsRequest(collection=self._calls.key, min_memory_version=newest)
        exported = self._calls.memory.ExportExemplars(request, timeout=_STREAM_S)
        return Counter(each.exemplar.exemplar.exemplar_id for each in exported)

    def _taught(self, name: str, picture: bytes, stop: threading.Event) -> bool:
        request = memory_pb2.RememberRequest(
            collection=self._calls.key, exemplar_id=name, label=name, image=picture
        )

        def teach() -> memory_pb2.RememberResponse:
            (answer,) = self._calls.memory.Remember(iter([request]), timeout=_STREAM_S)
            return answer

        while (answer := self.broken.until_answered(teach, stop)) is not None:
            if answer.HasField("memory_version"):
                return True
            self.broken.note(answer.failure.status, answer)
        return False

    def _forgotten(self, name: str, stop: threading.Event) -> bool:
        request = memory_pb2.ForgetRequest(collection=self._calls.key, exemplar_ids=[name])
        forget = partial(self._calls.memory.Forget, request, timeout=_STREAM_S)
        return self.broken.until_answered(forget, stop) is not None


def _cancel_at(stop: threading.Event, stream: grpc.Call) -> None:
    stop.wait()
    stream.cancel()


def _degraded(records: Sequence[Recognition]) -> bool:
    return any(stage.rungs for record in records for stage in record.envelope.stages)


@contextmanager
def at_work(clients: Sequence[Client]) -> Iterator[None]:
    """Let them work meanwhile, then tell them to stop. Raises what one of them raised."""
    stop = threading.Event()
    with ThreadPoolExecutor(len(clients)) as pool:
        running = [pool.submit(client.run, stop) for client in clients]
        try:
            yield
        finally:
            stop.set()
    for one in running:
        one.result()
