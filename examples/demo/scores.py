"""What the answers add up to: one row per mode and vendor, per group, per pair that was confused."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from examples.demo.metrics import Bin, Share, auroc, percentile, reliability, share, top
from examples.demo.modes import ANSWER_SIZE, Answer, Round
from examples.demo.sheets import SheetAnswer
from fovea.client import Gate

ALL = "all"


@dataclass(frozen=True)
class Accuracy:
    """How often the truth stood first, and in the first five; `pixel_…` is the baseline, if any."""

    where: str
    top_1: Share
    top_5: Share
    pixel_1: Share | None
    pixel_5: Share | None
    chance_1: float
    chance_5: float


@dataclass(frozen=True)
class Unknowns:
    """How well `probability_unknown` tells classes that were not taught from those that were.

    Attributes:
        flagged: Pictures of unknown classes whose status is *unknown*: the higher the better.
        wrongly: Pictures of known classes whose status is *unknown*: the lower the better.
        auroc: Of the probability, free of any threshold.
        pixel_auroc: Of the pixel baseline's distance, on the same pictures.
        threshold: In force.
        calibrated: Whether it is the collection's own.
    """

    flagged: Share
    wrongly: Share
    auroc: float
    pixel_auroc: float | None
    threshold: float
    calibrated: bool


@dataclass(frozen=True)
class Confusion:
    """A class that was taken for another."""

    truth: str
    answer: str
    count: int
    example: Answer


@dataclass(frozen=True)
class Crowd:
    """How often things were right that stood on sheets with others, and the same pictures by themselves."""

    sheets: int
    top_1: Share
    top_5: Share
    alone_1: Share
    alone_5: Share


@dataclass(frozen=True)
class StageTime:
    """Wall time of one stage inside the platform."""

    name: str
    median_s: float
    p95_s: float
    models: tuple[str, ...]


def accuracies(found: Round) -> tuple[Accuracy, ...]:
    """Return a row for each vendor whose pictures were asked, and one for all."""
    vendors = sorted({answer.picture.vendor for answer in found.answers})
    return (*(_of_vendor(found, name) for name in vendors), _accuracy(found, ALL, lambda _: True))


def groups(rounds: Sequence[Round]) -> tuple[tuple[Accuracy, ...], ...]:
    """Return for each group of classes what each round made of it; of some it may have seen none."""
    known = (answer for found in rounds for answer in found.answers if answer.known)
    names = sorted({answer.picture.group for answer in known})
    return tuple(tuple(_of_group(found, name) for found in rounds) for name in names)


def unknowns(found: Round) -> Unknowns:
    """Return how unknown classes fared beside known ones."""
    known = [answer for answer in found.answers if answer.known]
    strange = [answer for answer in found.answers if not answer.known]
    gate = _unknown_gate(found)
    return Unknowns(
        flagged=share([answer.flagged for answer in strange]),
        wrongly=share([answer.flagged for answer in known]),
        auroc=auroc(
            [answer.recognition.probability_unknown for answer in strange],
            [answer.recognition.probability_unknown for answer in known],
        ),
        pixel_auroc=_pixel_auroc(found) if found.guesses else None,
        threshold=gate.threshold if gate else math.nan,
        calibrated=gate.calibrated if gate else False,
    )


def bins(found: Round) -> tuple[Bin, ...]:
    """Return what the first label was given beside how often it was right, unknown classes included."""
    return reliability(
        [answer.probability for answer in found.answers], [answer.right for answer in found.answers]
    )


def confusions(found: Round, most: int) -> tuple[Confusion, ...]:
    """Return the pairs that were confused most often; among equals, the surest answers first."""
    wrong = [answer for answer in found.answers if answer.known and not answer.right and answer.labels]
    counts = Counter((answer.picture.label, answer.labels[0]) for answer in wrong)
    surest: dict[tuple[str, str], Answer] = {}
    for answer in sorted(wrong, key=lambda answer: answer.probability):
        surest[(answer.picture.label, answer.labels[0])] = answer
    order = sorted(counts, key=lambda pair: (-counts[pair], -surest[pair].probability, pair))
    return tuple(Confusion(*pair, counts[pair], surest[pair]) for pair in order[:most])


def crowd(found: Round, sheets: Sequence[SheetAnswer]) -> Crowd:
    """Compare boxes on sheets with the same pictures asked as a whole in a round."""
    whole = {answer.picture: answer.labels for answer in found.answers}
    things = [thing for answer in sheets for thing in answer.sheet.things]
    boxed = [labels for answer in sheets for labels in answer.rankings]
    truths = [thing.label for thing in things]
    alone = [whole.get(thing, ()) for thing in things]
    return Crowd(
        sheets=len(sheets),
        top_1=top(boxed, truths, 1),
        top_5=top(boxed, truths, ANSWER_SIZE),
        alone_1=top(alone, truths, 1),
        alone_5=top(alone, truths, ANSWER_SIZE),
    )


def stage_times(found: Round) -> tuple[StageTime, ...]:
    """Return the time of each stage over the queries that were asked alone, in the order of the stages."""
    times: dict[str, list[float]] = {}
    models: dict[str, dict[str, None]] = {}
    alone = found.answers[: len(found.alone_s)]
    for stage in (stage for answer in alone for stage in answer.recognition.stages):
        times.setdefault(stage.name, []).append(stage.duration_s)
        models.setdefault(stage.name, {}).update(dict.fromkeys(stage.models))
    return tuple(
        StageTime(name, percentile(taken, 50), percentile(taken, 95), tuple(models[name]))
        for name, taken in times.items()
    )


def _of_vendor(found: Round, name: str) -> Accuracy:
    return _accuracy(found, name, lambda answer: answer.picture.vendor == name)


def _of_group(found: Round, name: str) -> Accuracy:
    return _accuracy(found, name, lambda answer: answer.picture.group == name)


def _accuracy(found: Round, where: str, inside: Callable[[Answer], bool]) -> Accuracy:
    rows = [i for i, answer in enumerate(found.answers) if answer.known and inside(answer)]
    truths = [found.answers[i].picture.label for i in rows]
    ours = [found.answers[i].labels for i in rows]
    pixel = [found.guesses[i].labels for i in rows] if found.guesses else None
    return Accuracy(
        where=where,
        top_1=top(ours, truths, 1),
        top_5=top(ours, truths, ANSWER_SIZE),
        pixel_1=top(pixel, truths, 1) if pixel else None,
        pixel_5=top(pixel, truths, ANSWER_SIZE) if pixel else None,
        chance_1=1 / found.classes,
        chance_5=ANSWER_SIZE / found.classes,
    )


def _unknown_gate(found: Round) -> Gate | None:
    regions = (answer.region for answer in found.answers)
    gates = (gate for region in regions if region for gate in region.gates)
    return next((gate for gate in gates if gate.name == "unknown"), None)


def _pixel_auroc(found: Round) -> float:
    pairs = list(zip(found.answers, found.guesses, strict=True))
    return auroc(
        [1 - guess.similarity for answer, guess in pairs if not answer.known],
        [1 - guess.similarity for answer, guess in pairs if answer.known],
    )
