"""The model server of ranking killed, and standing still, while both doors are in use."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import grpc

from fovea.kernel.v1.ranking_pb2 import RANKING_STATUS_DEGRADED, RANKING_STATUS_RANKED
from fovea.kernel.v1.recognition_pb2 import Recognition
from infra.local.kafka import KafkaServer
from infra.local.server import running
from infra.local.triton import SHIPPED_MODELS, TritonServer
from services.ranking.assembly import open_ways, wanted_by
from services.ranking.settings import RankingSettings
from services.runtime.event_log.kafka import KafkaLog
from services.runtime.topics import TOPICS
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.ledger import Evidence, balance
from tests.chaos.outage import Scale, until
from tests.chaos.platform import started
from tests.chaos.traffic import TOLERANCE, Answer, Batch, ended_well
from tests.chaos.victim import Victim
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.processes import Program
from tests.e2e.scrape import Scrape

_RUNGS: Final = frozenset({"ranker_unavailable", "ranker_late"})
"""What a record says that had to do without."""
_CALLS_AT_ONCE: Final = 2
_PAUSE_S: Final = 0.05
_EXEMPLARS: Final = 4
_GATES_OPEN: Final = {"trust_threshold": 1.0, "unknown_threshold": 1.0}
_RANKS: Final = {
    "FOVEA_RANKING_MODEL": "fovea-ranker",
    "FOVEA_KEPT_JUDGEMENTS": "0",  # every image is ranked anew
}
SCALES: Final = {Size.SHORT: Scale(6, 8, 6, 1), Size.LONG: Scale(30, 60, 40, 3)}


@dataclass(frozen=True)
class Heard:
    """How one waiting call ended: without a record if it failed. Times are on the monotonic clock."""

    picture: str
    began_s: float
    ended_s: float
    record: Recognition | None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended_s - self.began_s


class Callers:
    """They wait for their answer, and call again when they have one."""

    def __init__(self, calls: Calls, pictures: Mapping[str, bytes]) -> None:
        self._calls = calls
        self._pictures = pictures
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._call_on, args=(first,)) for first in range(_CALLS_AT_ONCE)
        ]
        self.heard: list[Heard] = []

    def since(self, began_s: float) -> list[Heard]:
        """Return the calls that began later."""
        return [one for one in list(self.heard) if one.began_s >= began_s]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call_on(self, turn: int) -> None:
        names = list(self._pictures)
        while not self._stop.is_set():
            name = names[turn % len(names)]
            turn += _CALLS_AT_ONCE
            began_s = time.monotonic()
            try:
                record = self._calls.recognize(self._pictures[name])
            except grpc.RpcError:
                record = None
            self.heard.append(Heard(name, began_s, time.monotonic(), record))
            self._stop.wait(_PAUSE_S)


class Scene:
    """A platform, and what it answers to some pictures while ranking has its models."""

    def __init__(self, ranking: Program, calls: Calls, scale: Scale) -> None:
        self._ranking = ranking
        self.calls = calls
        self.scale = scale
        names = sorted(COLOURS)
        self.pictures = {f"p{n}": png(names[n % len(names)], seed=n) for n in range(scale.pictures)}
        calls.create_collection(**_GATES_OPEN)
        calls.remember([(label, png(label, seed=900 + n)) for label in names for n in range(_EXEMPLARS)])
        self.undisturbed: dict[str, Answer] = {}
        for name, shown in self.pictures.items():
            record = calls.recognize(shown)
            assert _is_ranked(record), f"is not ranked undisturbed: {record.regions[0].ranking.rung}"
            self.undisturbed[name] = Answer.of(record)

    def batch(self, name: str) -> Batch:
        """Return images for the streaming door."""
        shown = [f"p{n % len(self.pictures)}" for n in range(self.scale.images)]
        return Batch(self.calls, name, {f"{name}-{n}-{p}": self.pictures[p] for n, p in enumerate(shown)})

    def right(self, picture: str, record: Recognition) -> bool:
        """Whether it is the answer to the picture, or retrieval's order, and says that it is that."""
        if _is_ranked(record):
            return Answer.of(record).like(self.undisturbed[picture])
        return _is_retrievals(record)

    def degraded(self) -> float:
        """Return how many rankings did without, as an operator's monitoring reads it."""
        scrape = Scrape(self._ranking)
        assert scrape.value("fovea_ready"), "a model that is away is no reason not to be ready"
        return sum(scrape.value("fovea_rank_degraded_total", rung=rung) or 0.0 for rung in _RUNGS)


@dataclass(frozen=True)
class Round:
    """What one outage gave: a batch that came in and ended during it, and calls, those of it apart."""

    batch: Batch
    calls: Sequence[Heard]
    during: Sequence[Heard]
    recovery_s: float


Fault = Callable[[], AbstractContextManager[None]]


def run(folder: Path, size: Size) -> list[Figures]:
    """Start a platform, and take ranking's model server away in two ways."""
    with ExitStack() as stack:
        kafka = stack.enter_context(running(KafkaServer(), folder / "kafka"))
        for model in wanted_by(open_ways(RankingSettings())).names:  # to load the others would take longer
            shutil.copytree(SHIPPED_MODELS / model, folder / "models" / model)
        triton = stack.enter_context(running(TritonServer(folder / "models"), folder / "triton"))
        victim = Victim(triton)
        stack.callback(victim.stop)
        own = {"ranking": {**triton.settings, **_RANKS}}
        platform = stack.enter_context(started(folder / "platform", kafka.settings, own=own))
        calls = stack.enter_context(Calls(platform.target, collection="ranked"))
        scene = Scene(platform.programs["ranking"], calls, SCALES[size])
        faults: dict[str, Fault] = {
            "ranking's Triton killed and started again": victim.killed,
            "ranking's Triton stands still": victim.paused,
        }
        with closing(KafkaLog(kafka.settings["FOVEA_KAFKA_SERVERS"], TOPICS.settings())) as log:
            return [
                _figures(
                    scene,
                    text,
                    [_round(scene, f"f{kind}r{n}", fault) for n in range(scene.scale.rounds)],
                    log,
                )
                for kind, (text, fault) in enumerate(faults.items())
            ]


def _round(scene: Scene, name: str, fault: Fault) -> Round:
    """Take the server away and give it back while callers wait; a batch comes and ends in between."""
    before = scene.degraded()
    with Callers(scene.calls, scene.pictures) as callers, ExitStack() as at_work:
        until(lambda: len(callers.heard) >= _CALLS_AT_ONCE, "nobody is answered before")
        at_work.enter_context(fault())
        began_s = time.monotonic()
        with scene.batch(name) as batch:
            until(lambda: batch.accepted_all and batch.over, "images wait for ranking's models")
        until(lambda: len(callers.since(began_s)) >= scene.scale.calls, "callers wait for ranking's models")
        until(lambda: scene.degraded() > before, "an operator sees nothing")
        during = callers.since(began_s)
        at_work.close()
        healed_s = time.monotonic()
        until(lambda: any(map(_was_ranked, callers.since(healed_s))), "nothing is ranked any more")
        first = next(filter(_was_ranked, callers.since(healed_s)))
    return Round(batch, callers.heard, during, first.ended_s - healed_s)


def _figures(scene: Scene, text: str, rounds: Sequence[Round], log: KafkaLog) -> Figures:
    """Draw the balance: an error at the waiting door counts as lost, a model's order without it as wrong."""
    names = [name for each in rounds for name in each.batch.images]
    calls = [call for each in rounds for call in each.calls]
    during = [call for each in rounds for call in each.during]
    evidence = Evidence()
    evidence.ask(scene.calls, names)
    evidence.read(log, scene.calls.key.collection)
    drawn = balance(names, evidence, {}, watched=False)
    pairs = [(name.rpartition("-")[2], record) for name in names for record in evidence.answers[name]]
    answered = [(call.picture, call.record) for call in calls if call.record is not None]
    wrong = [each for each in (*pairs, *answered) if not (ended_well(each[1]) and scene.right(*each))]
    told = Counter(_told(call) for call in during)
    counts = ", ".join(f"{count} {what}" for what, count in told.most_common())
    slowest_s = max(call.seconds for call in during)
    return Figures(
        fault=text,
        injected=len(rounds),
        handed_in=len(names) + len(calls),
        lost=len(drawn.lost) + sum(call.record is None for call in calls),
        doubled=len(drawn.doubled),
        dead=len(drawn.dead),
        wrong=len(wrong),
        recovery_s=max(each.recovery_s for each in rounds),
        note=f"{text}: of {len(during)} calls meanwhile {counts}; the slowest took {slowest_s:.1f} s. "
        f"All {len(names)} images of the streaming door ended before it was back.",
    )


def _told(call: Heard) -> str:
    if call.record is None:
        return "failed"
    ranking = call.record.regions[0].ranking
    return f"had retrieval's order (`{ranking.rung}`)" if ranking.rung in _RUNGS else "were ranked"


def _was_ranked(call: Heard) -> bool:
    return call.record is not None and _is_ranked(call.record)


def _is_ranked(record: Recognition) -> bool:
    return all(region.ranking.status == RANKING_STATUS_RANKED for region in record.regions)


def _is_retrievals(record: Recognition) -> bool:
    """Whether a record says what was left out, and has the candidates as retrieval gave them."""
    (region,) = record.regions
    said, found = region.ranking, region.candidates.candidates
    named = said.status == RANKING_STATUS_DEGRADED and said.rung in _RUNGS
    order = [each.label for each in said.labels] == [each.label for each in found]
    known = 1 - region.candidates.unknown_score
    off = (abs(one.probability - known * other.score) for one, other in zip(said.labels, found, strict=False))
    return named and order and all(each <= TOLERANCE for each in off)


RANKING_MODELS: Final = Experiment(
    name="ranking_models",
    promise="While ranking's models are away every image is answered in retrieval's order, the record says "
    "so, nobody hears an error and nothing waits; when they are back they rank again, without a restart.",
    run=run,
    short_timeout_s=150.0,
)
