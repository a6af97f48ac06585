"""A server fails while both doors of a platform are in use: what callers see, and what is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from infra.local.daemons import standing_still
from services.runtime.event_log.kafka import KafkaLog
from services.runtime.topics import TOPICS
from tests.chaos.experiment import Figures, Size
from tests.chaos.ledger import Evidence, balance
from tests.chaos.traffic import Answer, Batch, Ended, Waiting, ended_well
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS, drawing, encoded, png
from tests.e2e.processes import Program
from tests.e2e.scrape import Scrape
from tests.e2e.waiting import eventually

CLEAR: Final = frozenset({"OK", "UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})
"""What a caller may hear while something is away."""
TIMEOUT_S: Final = 4.0
"""What a waiting caller gives."""
_GRACE_S: Final = 2.0
"""How much later a caller's own client may tell it, on a busy machine."""
_PATIENCE_S: Final = 120.0


@dataclass(frozen=True)
class Scale:
    """How much is done: different pictures, images a round, calls that must end during a fault, rounds."""

    pictures: int
    images: int
    calls: int
    rounds: int

    @classmethod
    def of(cls, size: Size) -> Scale:
        """Return what a size of experiment means."""
        return cls(6, 8, 4, 1) if size is Size.SHORT else cls(30, 100, 20, 3)


@dataclass(frozen=True)
class Fault:
    """Something that is done to a server.

    Args:
        text: As the figures call it.
        during: It is done when this is entered, and undone when it is left.
        shows: Whether an operator can see it; asked again and again until it can be seen.
    """

    text: str
    during: Callable[[], AbstractContextManager[None]]
    shows: Callable[[], bool] = lambda: True


class Scene:
    """A running platform, its callers, and what they are to be answered.

    Args:
        programs: Its processes, by name; may change when one is started again.
        calls: To a collection of their own.
        scale: How much is done.
    """

    def __init__(self, programs: Mapping[str, Program], calls: Calls, scale: Scale) -> None:
        self._programs = programs
        self.calls = calls
        self.scale = scale
        self.pictures = {f"p{n}": picture(n) for n in range(scale.pictures)}
        calls.create_collection()
        taught = sorted(COLOURS)
        calls.remember(
            [*((label, png(label, seed=900)) for label in taught), *zip(taught, taught, strict=True)]
        )
        self.expected = {name: Answer.of(calls.recognize(picture)) for name, picture in self.pictures.items()}

    def waiting(self) -> Waiting:
        """Return callers of the waiting door."""
        return Waiting(self.calls, self.pictures, self.expected, timeout_s=TIMEOUT_S)

    def batch(self, name: str, count: int) -> Batch:
        """Return images for the streaming door, in a batch of their own."""
        shown = [f"p{n % len(self.pictures)}" for n in range(count)]
        return Batch(self.calls, name, {f"{name}-{n}-{p}": self.pictures[p] for n, p in enumerate(shown)})

    def right(self, recognition_id: str, found: Answer) -> bool:
        """Whether this is the answer to the picture of that recognition."""
        return found.like(self.expected[recognition_id.rpartition("-")[2]])

    def metric(self, name: str, program: str = "", **labels: str) -> float:
        """Return the sum of a metric over one process or all, as an operator's monitoring would read it."""
        some = [program] if program else self._programs
        return sum(Scrape(self._programs[each]).value(name, **labels) or 0.0 for each in some)

    @property
    def waits(self) -> bool:
        """Whether events wait for something that is away, or what came of them for a log that takes it."""
        return any(self.metric(f"fovea_{name}") > 0 for name in ("partition_paused", "outbox_pending"))

    @property
    def can_hold(self) -> bool:
        """Whether encoding is a process of its own."""
        return "encoding" in self._programs

    @contextmanager
    def encoding_held(self) -> Iterator[None]:
        """Let encoding stand still, so that work piles up before it, where it is a process of its own."""
        if not self.can_hold:
            yield
            return
        with standing_still(self._programs["encoding"].pid):
            yield


def picture(number: int) -> bytes:
    """Return a picture with the noise of a photo: a file of 40 kB, which travels in several parts."""
    clean = np.asarray(drawing(sorted(COLOURS)[number % 3], seed=number), dtype=np.int16)
    noise = np.random.default_rng(number).integers(-12, 13, clean.shape)
    return encoded(Image.fromarray(np.clip(clean + noise, 0, 255).astype(np.uint8)))


@dataclass(frozen=True)
class Round:
    """What one round of a fault gave."""

    batches: Sequence[Batch]
    calls: Sequence[Ended]
    recovery_s: float


def endure(scene: Scene, name: str, fault: Fault, kafka: Mapping[str, str]) -> Figures:
    """Put a fault in, some times, and account for everything that was handed in; raises as `suffer` does."""
    rounds = suffer(scene, name, fault)
    evidence = heard(scene, rounds)
    with closing(KafkaLog(kafka["FOVEA_KAFKA_SERVERS"], TOPICS.settings())) as log:
        evidence.read(log, scene.calls.key.collection)
    return figures(scene, fault.text, rounds, evidence)


def suffer(scene: Scene, name: str, fault: Fault) -> list[Round]:
    """Put a fault in, some times, while both doors are in use.

    Raises AssertionError if a caller heard what explains nothing, or waited for longer than it gave, or
    an operator could not see the fault, or work did not go on by itself.
    """
    return [_round(scene, f"{name}{number}", fault) for number in range(scene.scale.rounds)]


def heard(scene: Scene, rounds: Sequence[Round]) -> Evidence:
    """Ask for the records of all that was handed in."""
    evidence = Evidence()
    evidence.ask(scene.calls, [name for each in rounds for batch in each.batches for name in batch.images])
    return evidence


def figures(scene: Scene, text: str, rounds: Sequence[Round], evidence: Evidence) -> Figures:
    """Draw the balance; a dead letter counts as wrong, since no image deserved one."""
    names = [name for each in rounds for batch in each.batches for name in batch.images]
    calls = [call for each in rounds for call in each.calls]
    drawn = balance(names, evidence, {}, watched=False)
    records = [(name, record) for name in names for record in evidence.answers[name]]
    right = [name for name, record in records if ended_well(record) and scene.right(name, Answer.of(record))]
    return Figures(
        fault=text,
        injected=len(rounds),
        handed_in=len(names) + len(calls),
        lost=len(drawn.lost),
        doubled=len(drawn.doubled),
        dead=len(drawn.dead),
        wrong=len(records) - len(right) + sum(not call.right for call in calls),
        recovery_s=max(each.recovery_s for each in rounds),
        note=f"{text}: of {len(calls)} waiting calls {_told(calls)}.",
    )


def _round(scene: Scene, name: str, fault: Fault) -> Round:
    """Have work in hand when the fault begins, hand in more, and end it when enough has been seen."""
    half = scene.scale.images // 2
    before, after = scene.batch(f"{name}a", half), scene.batch(f"{name}b", scene.scale.images - half)
    with ExitStack() as fault_at_work, before:
        with scene.encoding_held():
            in_hand = half if scene.can_hold else half // 4  # where it cannot, the rest comes just then
            until(lambda: before.accepted >= in_hand, f"images are not accepted before: {fault.text}")
            fault_at_work.enter_context(fault.during())
        with after, scene.waiting() as waiting:
            enough = scene.scale.calls
            until(lambda: len(waiting.ended) >= enough, f"callers hear nothing during: {fault.text}")
            until(fault.shows, f"an operator sees nothing of: {fault.text}")
            fault_at_work.close()
            healed_s = time.monotonic()
            until(lambda: _answered(waiting, healed_s) and not scene.waits, f"stays after: {fault.text}")
            recovery_s = time.monotonic() - healed_s
            until(lambda: before.accepted_all and after.accepted_all, f"nothing is accepted: {fault.text}")
            until(lambda: before.over and after.over, f"images do not end after: {fault.text}")
    _check(waiting.ended, fault)
    return Round((before, after), list(waiting.ended), recovery_s)


def _answered(waiting: Waiting, since_s: float) -> bool:
    return any(call.code == "OK" for call in waiting.since(since_s))


def _check(calls: Sequence[Ended], fault: Fault) -> None:
    unclear = [call for call in calls if call.code not in CLEAR]
    assert not unclear, f"{fault.text}: callers were told {unclear[:5]}"
    late = [call for call in calls if call.seconds > TIMEOUT_S + _GRACE_S]
    assert not late, f"{fault.text}: callers waited longer than they wanted: {late[:5]}"


def _told(calls: Sequence[Ended]) -> str:
    heard = Counter(f"{call.code} ({call.reason})" if call.reason else call.code for call in calls)
    slowest_s = max(call.seconds for call in calls)
    counts = ", ".join(f"{count} ended as {what}" for what, count in heard.most_common())
    return f"{counts}; the slowest took {slowest_s:.1f} s of the {TIMEOUT_S:.0f} s it gave"


def until(condition: Callable[[], bool], broken: str) -> None:
    """Wait for a condition. Raises AssertionError, saying what is broken."""
    try:
        eventually(lambda: condition() or None, timeout_s=_PATIENCE_S)
    except AssertionError:
        raise AssertionError(broken) from None
