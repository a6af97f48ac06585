"""Messages that nobody can handle, between good ones in the same partitions; one kind kills its process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from signal import SIGSEGV
from typing import Final

from fovea.kernel.v1.recognition_pb2 import RECOGNITION_STATE_COMPLETED
from infra.local.kafka import KafkaServer
from infra.local.server import running
from services.runtime.dead_letters import DeadLetter
from services.runtime.event_log.kafka import KafkaLog
from services.runtime.event_log.ports import NewRecord, Position, Record
from services.runtime.event_log.reading import read_to_end
from services.runtime.event_loop import RetryPolicy
from services.runtime.events import RECOGNITION_ID
from services.runtime.object_store.folder import FolderStore
from services.runtime.topics import DEAD, TOPICS
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.platform import Platform, started
from tests.chaos.poison_corpus import FLOW, VIEWS, Corpus, Poison, bomb, fatal_picture, truncated
from tests.chaos.supervisor import supervised
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.waiting import eventually, unless_missing

COLLECTION: Final = "poisoned"
LABELS: Final = sorted(COLOURS)
CHUNK: Final = 4
PATIENCE_S: Final = 240.0
RETRIES: Final = RetryPolicy()
ENDS: Final = (*FLOW, "recognitions.completed", "exemplars.submitted")


@dataclass
class Bench:
    """The platform, the log behind it, and what is known of what was handed in.

    Args:
        platform: Runs.
        calls: To its gateway.
        log: Where poison is put.
        store: Where its pictures are put.
        log_poison: By the place where each was written.
        door_poison: By recognition id, with the reason that its dead letter must have.
        good: Recognition ids.
    """

    platform: Platform
    calls: Calls
    log: KafkaLog
    store: FolderStore
    log_poison: dict[Position, Poison] = field(default_factory=dict)
    door_poison: dict[str, str] = field(default_factory=dict)
    good: set[str] = field(default_factory=set)

    def submit(self, images: Mapping[str, bytes], *, reason: str = "") -> None:
        """Hand pictures in through the door; with a reason they are poison."""
        receipts = list(self.calls.submit(images, submission_id=COLLECTION))
        assert all(answer.HasField("receipt") for answer in receipts), receipts
        if reason:
            self.door_poison |= dict.fromkeys(images, reason)
        else:
            self.good |= images.keys()

    def submit_good(self, count: int) -> None:
        """Hand in pictures that are all right."""
        first = len(self.good)
        self.submit({f"good-{n}": png(LABELS[n % 3], seed=n) for n in range(first, first + count)})

    def publish(self, poison: Poison) -> None:
        """Put a message into the log as a broken producer would."""
        (position,) = self.log.publish([poison.record])
        self.log_poison[position] = poison

    def ended(self) -> bool | None:
        """Return True once everything has an end, else None."""
        progress = self.calls.submission(COLLECTION)
        waiting = progress.accepted - progress.completed - progress.failed
        return (not waiting and len(self.letters()) >= len(self.log_poison) + len(self.door_poison)) or None

    def letters(self) -> list[DeadLetter]:
        """Return every dead letter there is."""
        return [DeadLetter.of_record(one) for one in read_to_end(self.log, [name + DEAD for name in ENDS])]


def run(folder: Path, size: Size) -> list[Figures]:
    """Hand in the corpus, then what kills."""
    long = size is Size.LONG
    with _bench(folder) as bench:
        corpus = _corpus(bench, copies=4 if long else 1)
        return [corpus, _killers(bench, killers=3 if long else 1, good=120 if long else 24)]


@contextmanager
def _bench(folder: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        kafka = stack.enter_context(running(KafkaServer(), folder / "kafka"))
        modules = {"encoding": "tests.chaos.fatal_encoding"}
        platform = stack.enter_context(started(folder, kafka.settings, modules))
        log = stack.enter_context(closing(KafkaLog(kafka.settings["FOVEA_KAFKA_SERVERS"], TOPICS.settings())))
        store = stack.enter_context(closing(FolderStore(folder / "objects")))
        calls = stack.enter_context(Calls(platform.target, collection=COLLECTION))
        calls.create_collection()
        calls.remember([(label, png(label, seed=900)) for label in LABELS])
        yield Bench(platform, calls, log, store)


def _corpus(bench: Bench, *, copies: int) -> Figures:
    corpus = Corpus(bench.store, COLLECTION)
    for copy in range(copies):
        _spoil_views(bench.log, copy)
        poison = list(corpus(copy))
        for start in range(0, len(poison), CHUNK):
            bench.submit_good(CHUNK)
            for one in poison[start : start + CHUNK]:
                bench.publish(one)
        pictures = {f"half-a-{format_}-{copy}": truncated(format_) for format_ in ("JPEG", "PNG")}
        bench.submit(pictures, reason="IMAGE_DAMAGED")
        _refused(bench, {"bomb": bomb(), "empty": b"", "half-a-WebP": truncated("WEBP")})
        bench.submit_good(CHUNK)
    recovery_s = _wait(bench)
    for name in ("gateway", "retrieval"):  # what reads its view from the beginning meets the poison again
        bench.platform.kill_and_start(name)
    record = bench.calls.recognize(png(LABELS[0], seed=901))
    assert record.regions[0].ranking.labels, "the memory is gone"
    kinds = (len(bench.log_poison) + len(bench.door_poison)) // copies
    return _figures(bench, f"{kinds} kinds of poison, {copies} of each, in every partition", recovery_s)


def _refused(bench: Bench, images: Mapping[str, bytes]) -> None:
    """Hand in what the door itself knows to be poison: it is never accepted, and leaves nothing behind."""
    answers = list(bench.calls.submit(images, submission_id=COLLECTION))
    assert all(answer.HasField("failure") for answer in answers), answers


def _spoil_views(log: KafkaLog, copy: int) -> None:
    """Put noise into the topics that are read as a whole; there are no dead letters of these."""
    for topic in VIEWS:
        for key in (f"default/{COLLECTION}/noise-{copy}", "no slashes", "", "../../etc/passwd"):
            log.publish([NewRecord(topic, key, b"\xff\xff noise", {})])


def _killers(bench: Bench, *, killers: int, good: int) -> Figures:
    before = _counted(bench)
    with supervised(bench.platform, "encoding") as statuses:
        for number in range(killers):
            bench.submit_good(good // killers // 2)
            bench.submit({f"fatal-{number}": fatal_picture(number)}, reason="KILLED_PROCESS")
            bench.submit_good(good // killers // 2)
        recovery_s = _wait(bench)
    assert set(statuses) == {-SIGSEGV}, statuses
    # A death is counted for what is begun soon after a start; the first one may come later than that.
    most = killers * (RETRIES.kills + 1)
    assert RETRIES.kills <= len(statuses) <= most, f"{len(statuses)} deaths for {killers} killers"
    what = f"{killers} pictures that segfault the decoder: {len(statuses)} deaths, each process started again"
    return _since(before, _figures(bench, what, recovery_s))


def _wait(bench: Bench) -> float:
    began = time.monotonic()
    eventually(bench.ended, timeout_s=PATIENCE_S)
    return time.monotonic() - began


def _figures(bench: Bench, fault: str, recovery_s: float) -> Figures:
    letters, records = bench.letters(), _records(bench.log)
    ends = Counter(_name(bench, letter) for letter in letters)
    expected = {str(position) for position in bench.log_poison} | bench.door_poison.keys()
    completed = _completed(bench)
    lost = [name for name in expected if not ends[name]] + list(bench.good - completed.keys())
    doubled = [name for name, count in ends.items() if count > 1]
    wrong = [_name(bench, one) for one in letters if not _right(bench, one, records)]
    wrong += [name for name in bench.good if name in ends or completed.get(name) is False]
    for kind, names in (("lost", lost), ("doubled", doubled), ("wrong", wrong)):
        if names:
            print(f"{kind}: {sorted(map(str, names))}")
    injected = len(bench.log_poison) + len(bench.door_poison)
    handed_in = injected + len(bench.good)
    return Figures(
        fault,
        injected,
        handed_in,
        lost=len(lost),
        doubled=len(doubled),
        dead=len(letters),
        wrong=len(wrong),
        recovery_s=recovery_s,
    )


def _completed(bench: Bench) -> dict[str, bool]:
    """Return which of the good ones have a record, and whether that is an answer."""
    found = {}
    for name in bench.good:
        record = unless_missing(partial(bench.calls.recognition, name))
        if record is not None:
            found[name] = record.state == RECOGNITION_STATE_COMPLETED and bool(record.regions)
    return found


def _right(bench: Bench, letter: DeadLetter, records: Mapping[Position, Record]) -> bool:
    """Return whether it was expected, has the right reason, was not tried for ever, and is what came in."""
    name = _name(bench, letter)
    poison = bench.log_poison.get(letter.origin)
    reason = poison.reason if poison else bench.door_poison.get(name, "none")
    origin = records[letter.origin]
    same = (letter.key, letter.value) == (origin.key, origin.value) and letter.headers == origin.headers
    in_budget = letter.cause.attempts <= RETRIES.unknown_attempts
    if not (same and in_budget and reason == letter.cause.reason):
        print(f"{poison.name if poison else name}: {letter.cause}")
        return False
    return True


def _name(bench: Bench, letter: DeadLetter) -> str:
    if letter.origin in bench.log_poison:
        return str(letter.origin)
    return letter.headers.get(RECOGNITION_ID, str(letter.origin))


def _records(log: KafkaLog) -> Mapping[Position, Record]:
    return {record.position: record for record in read_to_end(log, ENDS)}


def _counted(bench: Bench) -> tuple[int, int, int]:
    injected = len(bench.log_poison) + len(bench.door_poison)
    return injected, injected + len(bench.good), len(bench.letters())


def _since(before: Sequence[int], found: Figures) -> Figures:
    """Return the figures without what was counted before."""
    injected, handed_in, dead = before
    return Figures(
        found.fault,
        found.injected - injected,
        found.handed_in - handed_in,
        lost=found.lost,
        doubled=found.doubled,
        dead=found.dead - dead,
        wrong=found.wrong,
        recovery_s=found.recovery_s,
    )


POISON: Final = Experiment(
    name="poison",
    promise=(
        "A message that nobody can handle ends as exactly one dead letter, with its reason and bytes; one "
        "that kills its process does so three times, or four. The others in its partition end as records."
    ),
    run=run,
    short_timeout_s=400.0,
)
