"""One answer for each pixel: which prompt it shows, or which thing it is part of.

Source: APE (Shen et al., arXiv 2312.02153), which derives both from the instances of one pass; the way from
masks to segments is MaskFormer's (Cheng et al., arXiv 2107.06278).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float32, Int16, Int64

from models.segmentation.outputs import sigmoid
from models.segmentation.pixels import bands_of, drawn, reach
from models.segmentation.prepared import Square
from models.vision.boxes import Box

COMPETING: Final = 1 / 3
"""Share of its threshold that a prompt's score has to exceed on a map, unless one was asked for: prompts
compete for each pixel, so what is unsure gives way there, and need not be kept back. Chosen on 64
development scenes with stuff: panoptic quality 0.58, 0.55 at the whole threshold, 0.57 at a fifth."""
NOTHING: Final = -1
"""A pixel that shows none of the prompts."""
_MOST: Final = int(np.iinfo(np.int16).max)


@dataclass(frozen=True, eq=False)
class Kept:
    """The queries that maps are made of.

    Attributes:
        logits: Of every prompt; -inf where a prompt's threshold is not reached (`outputs.reached`).
        masks: Logits in cells of their squares.
        boxes: Left, top, right, bottom in pixels of the map.
        squares: Where each was found.
    """

    logits: Float32[np.ndarray, "k prompts"]
    masks: Float32[np.ndarray, "k cells cells"]
    boxes: Float[np.ndarray, "k 4"]
    squares: tuple[Square, ...]

    def __post_init__(self) -> None:
        """Refuse what 16 bits cannot number. Raises ValueError."""
        if max(self.logits.shape) > _MOST:
            raise ValueError(f"a map can tell {_MOST} apart, not {max(self.logits.shape)}")


@dataclass(frozen=True)
class SemanticRules:
    """Which prompt a pixel shows.

    Attributes:
        temperature: Of the softmax that divides a query among prompts; 0.06 is nearly "the best alone".
        least: What a prompt's masks have to add up to; a pixel where none does shows nothing. 0.5 is one
            mask that is sure of the prompt, at its edge.
    """

    temperature: float = 0.06
    least: float = 0.5


@dataclass(frozen=True)
class PanopticRules:
    """Which thing a pixel is part of.

    Attributes:
        score: What the best score of a query has to exceed.
        mask: Probability from which on a mask has a pixel.
        overlap: Share of its pixels that a query has to win from the others, or it is left out.
        temperature: Of the softmax that says how much of a query is its best prompt's.
    """

    score: float = 0.01
    mask: float = 0.1
    overlap: float = 0.4
    temperature: float = 0.06


@dataclass(frozen=True)
class Segment:
    """A thing, or all stuff of one prompt.

    Attributes:
        id: Of its pixels.
        prompt: Index of what it is.
        score: Of its best query.
        area_px: How many pixels it has.
        stuff: Whether it is stuff.
    """

    id: int
    prompt: int
    score: float
    area_px: int
    stuff: bool


@dataclass(frozen=True, eq=False)
class Panoptic:
    """The id of each pixel's segment, 0 where there is none, and the segments in the order of their ids."""

    ids: Int16[np.ndarray, "h w"]
    segments: tuple[Segment, ...]


@dataclass(frozen=True, eq=False)
class _Contest:
    """Which query has each pixel, -1 none, and of how many pixels each is sure, won or not."""

    winner: Int16[np.ndarray, "h w"]
    own: Int64[np.ndarray, "k"]


def shares(
    logits: Float32[np.ndarray, "k prompts"], *, temperature: float
) -> Float32[np.ndarray, "k prompts"]:
    """Return how each query is divided among the prompts: the softmax of its scores over a temperature."""
    power = sigmoid(logits) / np.float32(temperature)
    power = np.exp(power - power.max(axis=1, keepdims=True, initial=0))
    divided: np.ndarray = power / power.sum(axis=1, keepdims=True)
    return divided


def semantic(
    kept: Kept, *, width_px: int, height_px: int, rules: SemanticRules = SemanticRules()
) -> Int16[np.ndarray, "h w"]:
    """Return the prompt that each pixel shows, or NOTHING.

    A prompt's evidence at a pixel is the sum of its shares of all queries, each times the probability that
    the query's mask has the pixel. The most evidence decides; of equals, the first prompt.

    Args:
        kept: What was found.
        width_px: Of the map.
        height_px: Likewise.
        rules: What decides.
    """
    weights = shares(kept.logits, temperature=rules.temperature)
    able = np.flatnonzero(weights.sum(axis=0) > rules.least)  # no mask is more than sure
    evidence = [
        (square, np.tensordot(weights[places][:, able], _probabilities(kept, places), (0, 0)))
        for square, places in _by_square(kept)
    ]
    shown = np.full((height_px, width_px), NOTHING, dtype=np.int16)
    for band in bands_of(Box(0, 0, width_px, height_px)):
        best = np.full(_shape(band), rules.least, dtype=np.float32)
        for number, prompt in enumerate(able):
            value = np.zeros_like(best)
            for square, maps in evidence:
                part = _common(band, square.window)
                value[_within(part, band)] += drawn(maps[number], square, part)
            better = value > best
            best[better] = value[better]
            shown[band.rows][better] = prompt
    return shown


def panoptic(
    kept: Kept,
    stuff: Bool[np.ndarray, "prompts"],
    *,
    width_px: int,
    height_px: int,
    rules: PanopticRules = PanopticRules(),
) -> Panoptic:
    """Return segments that share no pixel; all stuff of one prompt is one segment.

    A query is its best prompt. A pixel goes to the query with the largest product of score, that prompt's
    share of the query and probability of the mask; and to nobody if that query's own mask hardly has it.

    Args:
        kept: What was found.
        stuff: Which prompts are stuff.
        width_px: Of the map.
        height_px: Likewise.
        rules: What decides.
    """
    scores = sigmoid(kept.logits.max(axis=1, initial=-np.inf))
    prompts = kept.logits.argmax(axis=1) if kept.logits.size else np.zeros(len(scores), dtype=np.int64)
    strength = scores * shares(kept.logits, temperature=rules.temperature).max(axis=1, initial=0)
    strength[scores <= rules.score] = 0
    contest = _contest(kept, strength, Box(0, 0, width_px, height_px), rules.mask)
    won = np.bincount(contest.winner.ravel() + 1, minlength=len(scores) + 1)[1:]
    strength[won < rules.overlap * contest.own] = 0
    ids = np.zeros(len(scores) + 1, dtype=np.int16)  # of each query, and 0 for -1, no query
    segments: dict[tuple[int, int], Segment] = {}
    for query in np.argsort(-strength, kind="stable").tolist():
        if strength[query] == 0 or won[query] == 0:
            continue
        prompt, area_px = int(prompts[query]), int(won[query])
        key = (prompt, NOTHING if stuff[prompt] else query)
        new = Segment(len(segments) + 1, prompt, float(scores[query]), 0, bool(stuff[prompt]))
        segment = segments.get(key, new)
        segments[key] = replace(segment, area_px=segment.area_px + area_px)
        ids[query] = segment.id
    return Panoptic(ids[contest.winner], tuple(segments.values()))


def _contest(kept: Kept, strength: Float32[np.ndarray, "k"], whole: Box, least: float) -> _Contest:
    """Let the queries that have any strength compete for each pixel, the stronger first."""
    winner = np.full(_shape(whole), NOTHING, dtype=np.int16)
    own = np.zeros(len(strength), dtype=np.int64)
    order = [query for query in np.argsort(-strength, kind="stable").tolist() if strength[query] > 0]
    places = {query: reach(kept.boxes[query], kept.squares[query], kept.masks.shape[2]) for query in order}
    for band in bands_of(whole):
        best = np.zeros(_shape(band), dtype=np.float32)
        for query in order:
            part = _common(band, places[query])
            if part.area == 0:
                continue
            probability = sigmoid(drawn(kept.masks[query], kept.squares[query], part))
            sure = probability >= least
            own[query] += np.count_nonzero(sure)
            here = _within(part, band)
            better = probability * strength[query] > best[here]
            best[here][better] = (probability * strength[query])[better]
            winner[part.rows, part.columns][better] = np.where(sure[better], query, NOTHING)
    return _Contest(winner, own)


def _by_square(kept: Kept) -> Iterator[tuple[Square, Int64[np.ndarray, "n"]]]:
    """Give each square and the queries that were found in it."""
    for square in dict.fromkeys(kept.squares):
        yield square, np.array([place for place, each in enumerate(kept.squares) if each == square])


def _probabilities(kept: Kept, places: Int64[np.ndarray, "n"]) -> Float32[np.ndarray, "n cells cells"]:
    """Return masks of one square's queries as probabilities, 0 where a mask is out of its box's reach."""
    masks = kept.masks[places]
    found: np.ndarray = np.zeros_like(masks)
    cells = masks.shape[2]
    for number, place in enumerate(places):
        square = kept.squares[place]
        window = reach(kept.boxes[place], square, cells)
        edges = np.array([[window.left, window.top, window.right, window.bottom]], dtype=np.float64)
        low_x, low_y, high_x, high_y = square.to_square(edges)[0] * cells
        rows, columns = slice(int(low_y), int(np.ceil(high_y))), slice(int(low_x), int(np.ceil(high_x)))
        found[number, rows, columns] = sigmoid(masks[number, rows, columns])
    return found


def _shape(box: Box) -> tuple[int, int]:
    return box.bottom - box.top, box.right - box.left


def _common(one: Box, other: Box) -> Box:
    """Return the part that two boxes share; without area if they share none."""
    left, top = max(one.left, other.left), max(one.top, other.top)
    return Box(left, top, max(left, min(one.right, other.right)), max(top, min(one.bottom, other.bottom)))


def _within(part: Box, whole: Box) -> tuple[slice, slice]:
    """Return where a part lies in an array of the whole."""
    moved = part.shifted(-whole.left, -whole.top)
    return moved.rows, moved.columns
