"""How well the model ranks classes that it was never trained on: by names, by letters, and beside retrieval.

Questions are asked of the classes that are held apart: a random view of one artist's drawing, a memory of
another artist's drawings of those classes, and its five nearest classes, the truth among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int

from models.evaluation.metrics import Share, share
from models.multimodal.features import Features
from models.multimodal.mining import Memories
from models.multimodal.pictures import Lot
from models.ranking.fitting import Labelled, fit
from models.ranking.joining import feature
from models.vision.global_encoder.fitting import exemplars, unit
from models.vision.global_encoder.recipe import Recipe as EncoderRecipe

CANDIDATES: Final = 5
MAIN: Final = ("google", "twitter", "fluent-3d")
TEMPERATURE: Final = 0.066
"""Of the votes that ship, by picture; below, by name."""
NAME_TEMPERATURE: Final = 0.093
_PARTS: Final = 5


@dataclass(frozen=True, eq=False)
class Question:
    """One picture, and what retrieval found.

    Attributes:
        view: Of the picture.
        labels: Nearest first.
        truth: Place of the right one.
        shares: Logarithm of each label's share of retrieval's votes.
    """

    view: int
    labels: tuple[str, ...]
    truth: int
    shares: Float64[np.ndarray, "label"]


@runtime_checkable
class Judge(Protocol):
    """Scores the labels of questions."""

    def names(self, questions: Sequence[Question], *, blind: bool = False) -> Float64[np.ndarray, "n label"]:
        """Return the mean log-likelihood of each name; blind: of a picture that says nothing."""
        ...

    def letters(
        self, questions: Sequence[Question], orders: Sequence[Int[np.ndarray, "label"]]
    ) -> Float64[np.ndarray, "n label"]:
        """Return the log-probability of each place's letter, each question's labels in an order."""
        ...


def questions(
    lot: Lot, seen: Features, *, count: int, shots: int = 1, learned: bool = False
) -> list[Question]:
    """Return questions about classes that are held apart, or, to compare, that were learned.

    Args:
        lot: Pictures.
        seen: Their features.
        count: How many.
        shots: Pictures of each class in the memory.
        learned: Whether classes that were learned are asked, among as many as are held apart.
    """
    drawn = np.random.default_rng((shots, int(learned)))
    may = (lot.learned if learned else lot.asked) & np.array([one.artist in MAIN for one in lot.pictures])
    memories = Memories(lot.pictures, seen, may)
    classes = len(lot.apart)
    asked = np.flatnonzero(may)
    views: dict[int, list[int]] = {}
    for view in np.flatnonzero(~seen.is_plain).tolist():
        views.setdefault(int(seen.picture[view]), []).append(view)
    found: list[Question] = []
    for place in (asked[drawn.integers(len(asked))] for _ in range(20 * count)):
        if len(found) == count:
            break
        view = int(drawn.choice(views[place]))
        known, near = memories.ask(int(place), view, classes=classes, shots=shots, drawn=drawn)
        votes: dict[str, float] = {}
        for one, how in zip(known, near, strict=True):
            label = lot.pictures[one].label
            votes[label] = float(np.logaddexp(votes.get(label, -np.inf), how / TEMPERATURE))
        labels = sorted(votes, key=lambda label: -votes[label])[:CANDIDATES]
        truth = lot.pictures[place].label
        if truth in labels:
            shares = np.array([votes[label] for label in labels])
            found.append(Question(view, tuple(labels), labels.index(truth), shares - _log_sum(shares)))
    return found


def named_questions(
    lot: Lot, seen: Features, read: Callable[[Sequence[str]], np.ndarray], *, count: int, seed: int = 0
) -> list[Question]:
    """Return questions about classes that are held apart and taught by their names alone.

    Where pictures of a name are expected is solved for as `fovea-text` does it, without those classes.

    Args:
        lot: Pictures.
        seen: Their features.
        read: Centred unit-norm embeddings of texts.
        count: How many.
        seed: Of the views.
    """
    plain = np.flatnonzero(seen.is_plain)
    known = plain[lot.learned[seen.picture[plain]]]
    recipe = EncoderRecipe()
    rows = seen.names.astype(np.float32)
    exemplar, text = np.split(rows, [recipe.name_dimensions], axis=1)
    said = [lot.pictures[place] for place in seen.picture[known]]
    found = exemplars(
        read([one.label for one in said]),
        exemplar[known],
        np.array([0.25 if one.thing else recipe.clipart_weight for one in said]),
        sharpness=recipe.sharpness,
        ridge=recipe.text_ridge,
    )
    labels = sorted({one.label for one in lot.pictures if one.thing in lot.apart})
    named = read(labels)
    kernel = np.exp(2 * recipe.sharpness * (named @ found.anchors.T - 1))
    expected = unit(np.concatenate([unit(kernel @ found.coefficients), named], axis=1))
    asked = np.flatnonzero(~seen.is_plain & lot.asked[seen.picture])
    views = np.random.default_rng(seed).permutation(asked)
    stands = unit(np.concatenate([unit(exemplar[views] - found.mean), text[views]], axis=1))
    near = stands @ expected.T / NAME_TEMPERATURE
    made: list[Question] = []
    for view, row in zip(views.tolist(), near, strict=True):
        order = np.argsort(-row, kind="stable")[:CANDIDATES]
        shown = tuple(labels[place] for place in order)
        truth = lot.pictures[seen.picture[view]].label
        if truth in shown and len(made) < count:
            made.append(Question(view, shown, shown.index(truth), row[order] - _log_sum(row[order])))
    return made


@dataclass(frozen=True, eq=False)
class Answers:
    """What was said to questions of equally many labels.

    Attributes:
        truth: Place of the right label of each.
        evidence: By its name, (n, label): the higher, the better.
    """

    truth: Int[np.ndarray, "n"]
    evidence: Mapping[str, Float64[np.ndarray, "n label"]]

    def share(self, name: str) -> Share:
        """Return how often one kind of evidence alone puts the truth first."""
        return share(self.evidence[name].argmax(1) == self.truth)


def ask(judge: Judge, asked: Sequence[Question], *, orders: int, seed: int = 0) -> tuple[Answers, np.ndarray]:
    """Ask in every way; return the answers, and how often each place was chosen in the first order.

    Args:
        judge: The model.
        asked: Questions of equally many labels.
        orders: In which letters are read; evidence `letters 1` has the first, `letters` the mean of all.
        seed: Of the orders.
    """
    truth = np.array([each.truth for each in asked])
    drawn = np.random.default_rng(seed)
    count = len(asked[0].labels)
    named, blind = judge.names(asked), judge.names(asked, blind=True)
    read, chosen = [], np.zeros(count)
    for number in range(orders):
        shown = [drawn.permutation(count) for _ in asked]
        by_place = judge.letters(asked, shown)
        if number == 0:
            chosen = np.bincount(by_place.argmax(1), minlength=count) / len(asked)
        normal = by_place - _log_sum(by_place)[:, None]
        read.append(np.stack([row[np.argsort(order)] for row, order in zip(normal, shown, strict=True)]))
    evidence = {
        "retrieval": np.stack([each.shares for each in asked]),
        "names": named,
        "names without the blind": named - blind,
        "letters 1": read[0],
        "letters": np.mean(read, axis=0),
    }
    return Answers(truth, evidence), chosen


def joined(answers: Answers, weights: Mapping[str, float]) -> Float64[np.ndarray, "n label"]:
    """Return the weighted sum of several kinds of evidence, each normalised over the labels."""
    rows = [
        weight * np.stack([feature(row) for row in answers.evidence[part]])
        for part, weight in weights.items()
    ]
    return np.asarray(sum(rows))


def fitted(answers: Answers, parts: Sequence[str]) -> Mapping[str, float]:
    """Return the weights under which the truth is likeliest."""
    lists = [
        Labelled({part: answers.evidence[part][row] for part in parts}, int(truth))
        for row, truth in enumerate(answers.truth)
    ]
    return fit(lists, parts).weights


def judged(answers: Answers, parts: Sequence[str], *, seed: int = 0) -> Share:
    """Return how often evidence joined by weights that were fitted to other questions is right."""
    order = np.random.default_rng(seed).permutation(len(answers.truth))
    right = []
    for fold in np.array_split(order, _PARTS):
        rest = np.setdiff1d(order, fold)
        own = _some(answers, fold)
        right.append(joined(own, fitted(_some(answers, rest), parts)).argmax(1) == own.truth)
    return share(np.concatenate(right))


def _some(answers: Answers, chosen: Int[np.ndarray, "m"]) -> Answers:
    return Answers(answers.truth[chosen], {name: rows[chosen] for name, rows in answers.evidence.items()})


def _log_sum(rows: np.ndarray) -> np.ndarray:
    most = rows.max(-1, keepdims=True)
    return np.asarray(np.log(np.exp(rows - most).sum(-1)) + most[..., 0])
