"""What a picture holds, from the scores of its queries: which query answers which prompt, and how surely.

Source: APE (Shen et al., arXiv 2312.02153): the sigmoid of each pair of query and prompt is a score of its
own, doubles are suppressed within each prompt, and the best pairs stay. Masks are made afterwards, and only
for what stays (`models.segmentation.pixels`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

_BATCH: Final = 4096
"""Pairs that are sorted at a time; as many are enough unless most of them are doubles."""


@dataclass(frozen=True)
class Rules:
    """What of all that scores high enough stays.

    Attributes:
        overlap: Intersection over union above which, of two boxes that answer one prompt, the lesser goes.
        across: The same for boxes that answer different prompts; a query then answers its best prompt
            alone. None: prompts are independent of one another.
        most: As many pairs stay.
    """

    overlap: float = 0.7
    across: float | None = None
    most: int = 300

    def __post_init__(self) -> None:
        """Refuse what is no rule. Raises ValueError."""
        if not (0 <= self.overlap <= 1 and 0 <= (self.across or 0) <= 1 and self.most >= 1):
            raise ValueError(f"0 <= overlap <= 1 and most >= 1 must hold for {self}")


@dataclass(frozen=True, eq=False)
class Selection:
    """Pairs of a query and a prompt that it answers, best first.

    Attributes:
        queries: Index of the box.
        prompts: Index of the prompt.
        logits: What scores are the sigmoid of.
    """

    queries: Int64[np.ndarray, "k"]
    prompts: Int64[np.ndarray, "k"]
    logits: Float32[np.ndarray, "k"]

    @property
    def scores(self) -> Float32[np.ndarray, "k"]:
        """Probability that the query is what the prompt names, each by itself."""
        return sigmoid(self.logits)


@dataclass(frozen=True, eq=False)
class _Part:
    """Some prompts, from number `first` on: their logits (n, prompts), and the least that is an answer."""

    first: int
    logits: Float32[np.ndarray, "n prompts"]
    least: Float32[np.ndarray, "prompts"]


_NOTHING: Final = Selection(
    np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
)


def select(
    boxes: Float[np.ndarray, "n 4"],
    chunks: Iterable[Float32[np.ndarray, "n _"]],
    thresholds: Float[np.ndarray, "prompts"],
    rules: Rules = Rules(),
) -> Selection:
    """Return which queries answer which prompts.

    However the prompts are cut into chunks, the result is the same, and no more than one chunk and `most`
    pairs are held. Of equal scores, the earlier prompt, then the earlier query comes first.

    Args:
        boxes: Left, top, right, bottom in any unit, of one view of a picture or of all of them one after
            the other, which suppresses what two views found. One without area, as of what lies in a
            view's padding, answers nothing.
        chunks: Logits of all boxes, some prompts at a time, in their order.
        thresholds: Score that an answer to each prompt has to exceed: with 0 all do, with 1 none.
        rules: What stays.

    Raises:
        ValueError: If there are not as many logits as thresholds, or a threshold is no probability.
    """
    overlap = iou(boxes)
    there = np.diagonal(overlap) > 0
    parts = _parts(chunks, _least(thresholds))
    if rules.across is None:
        return _answers_by_prompt(parts, overlap > rules.overlap, there, rules.most)
    return _answers_by_query(parts, overlap > rules.across, there, rules.most)


def reached(
    logits: Float32[np.ndarray, "n prompts"], thresholds: Float[np.ndarray, "prompts"]
) -> Float32[np.ndarray, "n prompts"]:
    """Return logits, -inf where a prompt's threshold is not exceeded. Raises ValueError as `select`."""
    return np.where(logits > _least(thresholds), logits, np.float32(-np.inf))


def iou(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n n"]:
    """Return the intersection over union of each box with each; 0 where a box has no area."""
    left, top, right, bottom = np.ascontiguousarray(boxes.T)
    across = np.minimum.outer(right, right) - np.maximum.outer(left, left)
    down = np.minimum.outer(bottom, bottom) - np.maximum.outer(top, top)
    common = np.maximum(across, 0) * np.maximum(down, 0)  # (n, n)
    own = np.diagonal(common)
    union = own[:, None] + own[None, :] - common
    shares: np.ndarray = np.divide(common, union, out=np.zeros_like(common), where=common > 0)
    return shares


def sigmoid(logits: Float32[np.ndarray, "*n"]) -> Float32[np.ndarray, "*n"]:
    """Return probabilities, exact also where they are very small."""
    probabilities: np.ndarray = np.exp(-np.logaddexp(np.float32(0), -logits))
    return probabilities


def _least(thresholds: Float[np.ndarray, "prompts"]) -> Float32[np.ndarray, "prompts"]:
    """Return the logits whose sigmoid the thresholds are."""
    if not ((thresholds >= 0) & (thresholds <= 1)).all():
        raise ValueError("a threshold must be a probability")
    with np.errstate(divide="ignore"):  # 0 and 1 become infinite, as they should
        logits: np.ndarray = np.log(thresholds) - np.log1p(-thresholds)
    return logits.astype(np.float32)


def _parts(
    chunks: Iterable[Float32[np.ndarray, "n _"]], least: Float32[np.ndarray, "prompts"]
) -> Iterator[_Part]:
    first = 0
    for logits in chunks:
        after = first + logits.shape[1]
        if after > len(least):
            raise ValueError(f"there are {len(least)} thresholds and more prompts")
        yield _Part(first, logits, least[first:after])
        first = after
    if first != len(least):
        raise ValueError(f"there are {len(least)} thresholds and {first} prompts")


def _answers_by_prompt(
    parts: Iterable[_Part], doubles: Bool[np.ndarray, "n n"], there: Bool[np.ndarray, "n"], most: int
) -> Selection:
    """Return the best answers, doubles suppressed among those to one prompt.

    That is done within a part, which has all answers to its prompts. Once there are `most`, what is no
    better than the least of them cannot stay, nor suppress what can.
    """
    best = _NOTHING
    for part in parts:
        floor = best.logits[-1] if len(best.logits) == most else -np.inf
        chosen = (part.logits > np.maximum(part.least, floor)) & there[:, None]  # (n, prompts)
        queries, prompts = np.divmod(np.flatnonzero(chosen), chosen.shape[1])  # faster than along two axes
        found = Selection(queries, prompts + part.first, part.logits[queries, prompts])
        best = _first(_joined(best, _unique(found, found.prompts, doubles, most)), most)
    return best


def _answers_by_query(
    parts: Iterable[_Part], doubles: Bool[np.ndarray, "n n"], there: Bool[np.ndarray, "n"], most: int
) -> Selection:
    """Return the best prompt of each query, doubles suppressed among all."""
    count = len(there)
    prompts = np.zeros(count, dtype=np.int64)
    logits = np.full(count, -np.inf, dtype=np.float32)
    for part in parts:
        allowed = np.where(part.logits > part.least, part.logits, -np.inf)  # (n, prompts)
        if not allowed.shape[1]:
            continue
        place = allowed.argmax(axis=1)
        found = allowed[np.arange(count), place]
        better = found > logits
        prompts[better], logits[better] = place[better] + part.first, found[better]
    queries = np.flatnonzero(there & (logits > -np.inf))
    found = Selection(queries, prompts[queries], logits[queries])
    return _unique(found, np.zeros_like(queries), doubles, most)


def _unique(
    found: Selection, groups: Int64[np.ndarray, "k"], doubles: Bool[np.ndarray, "n n"], most: int
) -> Selection:
    """Return the best, taking from each group none that doubles a better one that was taken."""
    taken: list[int] = []
    blocked: dict[int, Bool[np.ndarray, "n"]] = {}
    for index in _best_first(found):
        query, group = int(found.queries[index]), int(groups[index])
        before = blocked.get(group)
        if before is not None and before[query]:
            continue
        taken.append(index)
        if len(taken) == most:
            break
        blocked[group] = doubles[query] if before is None else before | doubles[query]
    return _at(found, np.array(taken, dtype=np.int64))


def _best_first(found: Selection) -> Iterator[int]:
    """Give the places of pairs, best first; sorted some at a time, for few of very many are asked for."""
    rest = np.arange(len(found.logits))
    while len(rest):
        logits = found.logits[rest]
        if len(rest) > _BATCH:
            now = logits >= -np.partition(-logits, _BATCH - 1)[_BATCH - 1]
        else:
            now = np.ones(len(rest), dtype=np.bool_)
        batch = rest[now]
        yield from batch[_order(_at(found, batch))].tolist()
        rest = rest[~now]


def _order(found: Selection) -> Int64[np.ndarray, "k"]:
    return np.lexsort((found.queries, found.prompts, -found.logits))


def _first(found: Selection, most: int) -> Selection:
    return _at(found, _order(found)[:most])


def _at(found: Selection, places: Int64[np.ndarray, "k"]) -> Selection:
    return Selection(found.queries[places], found.prompts[places], found.logits[places])


def _joined(one: Selection, other: Selection) -> Selection:
    return Selection(
        np.concatenate((one.queries, other.queries)),
        np.concatenate((one.prompts, other.prompts)),
        np.concatenate((one.logits, other.logits)),
    )
