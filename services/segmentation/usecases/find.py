"""From an image and prompts to regions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float, Float32, Float64

from models.segmentation.outputs import Rules, select
from models.segmentation.prepared import Square
from services.kernel.limits import LIMITS
from services.kernel.sharing import TimeLimit
from services.kernel.vocabulary import (
    Box,
    FindOptions,
    FoundBy,
    ImageReference,
    Prompt,
    PromptKind,
    Region,
    RegionOrigin,
)
from services.segmentation.domain import finding
from services.segmentation.domain.finding import Hit
from services.segmentation.domain.seen import Seen
from services.segmentation.domain.shapes import runs
from services.segmentation.ports import Detector, FindingCounts, Masker
from services.segmentation.usecases.look import Look, Picture, Second
from services.segmentation.usecases.outlines import Outline, Outlines, drawn, masked
from services.segmentation.usecases.vectors import PromptVectors

REGIONS_CAPPED: Final = "regions_capped"
"""Rung: more was found than one image may have regions; the best stayed."""
MASKS_DROPPED: Final = "masks_dropped"
"""Rung: masks were too finely cut to be passed on; of the regions with the least scores, the box alone is."""


SECOND_LOOK_LEFT_OUT: Final = "second_look_left_out"
"""Rung: crops were not looked at, for want of time or of their encoder; the detector's own scores count."""


@dataclass(frozen=True)
class Found:
    """What prompts found in one image, best first.

    Attributes:
        regions: With their scores.
        models: `name@digest` of those that took part.
        rungs: What was left out.
    """

    regions: tuple[Region, ...]
    models: tuple[str, ...]
    rungs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Turn:
    """One pass over the views of an image, and which of its places answers which prompt.

    Attributes:
        places: The prompts that were asked, by their places in the request.
        seen: What was seen.
        boxes: Of all views one after the other, in pixels of the image.
        fused: Whether the prompts were read together with the image.
        second: What became of the second look.
    """

    places: tuple[int, ...]
    seen: Seen
    boxes: Float[np.ndarray, "n 4"]
    fused: bool
    second: Second = Second.NONE


class Passes:
    """Has an image looked at for prompts: independent ones in one pass, phrases in one for each group.

    Args:
        look: Has images seen.
        detector: Says how well texts fit.
        vectors: Gives prompts their vectors.
        limit: When to give up.
    """

    def __init__(self, look: Look, detector: Detector, vectors: PromptVectors, limit: TimeLimit) -> None:
        self._look = look
        self._detector = detector
        self._vectors = vectors
        self._limit = limit

    def models(self, prompts: Sequence[Prompt], second: Second) -> tuple[str, ...]:
        """Return `name@digest` of each model that took part for these prompts, each once."""
        looked = self._look.second.models() if self._look.second and second is Second.TAKEN else ()
        return tuple(dict.fromkeys((*self._detector.models(), *self._vectors.models(prompts), *looked)))

    def thresholds(
        self, turn: Turn, prompts: Sequence[Prompt], options: FindOptions
    ) -> Float64[np.ndarray, "t"]:
        """Return what the score of each prompt of a pass has to exceed."""
        calibrated = self._detector.thresholds()
        if self._look.second and turn.second is Second.TAKEN:
            calibrated = {**calibrated, **self._look.second.thresholds}
        asked = [prompts[place] for place in turn.places]
        return finding.thresholds(asked, calibrated, asked=options.threshold)

    def picture(self, image: ImageReference, options: FindOptions) -> Picture:
        """Return the image as it will be looked at."""
        return self._look(image, tiles=options.tiles)

    def __call__(self, picture: Picture, prompts: Sequence[Prompt]) -> Iterator[Turn]:
        """Yield each pass, with the prompts that were asked in it."""
        plan = finding.planned(prompts, self._detector.fused())
        if plan.independent:
            self._check_exemplars(prompts, plan.independent)
            seen, second = picture.seen()
            yield replace(_turn(plan.independent, seen, picture.views, fused=False), second=second)
        for places in plan.fused:
            self._limit.check()
            yield _turn(places, picture.seen_with(self._vectors(prompts, places)), picture.views, fused=True)

    def logits(self, turn: Turn, prompts: Sequence[Prompt]) -> Iterator[Float32[np.ndarray, "n t"]]:
        """Yield the logits of all places for some prompts at a time, in the order of the pass's prompts."""
        for start in range(0, len(turn.places), finding.SCORED_AT_ONCE):
            some = turn.places[start : start + finding.SCORED_AT_ONCE]
            texts = None if turn.fused else self._vectors(prompts, some)
            parts = []
            for view in range(len(turn.seen.queries)):
                self._limit.check()
                asked = turn.seen.texts[view] if texts is None else texts
                fits = self._detector.score(turn.seen.queries[view], turn.seen.offsets[view], asked)
                parts.append(fits + turn.seen.relations[view] if texts is None else fits)
            yield parts[0] if len(parts) == 1 else np.concatenate(parts)  # (views x q, t)

    def _check_exemplars(self, prompts: Sequence[Prompt], places: Sequence[int]) -> None:
        """Have exemplars seen before the image is: one that is wrong costs no pass."""
        if PromptKind.EXEMPLAR not in finding.kinds(prompts):
            return
        pictured = [place for place in places if prompts[place].kind is PromptKind.EXEMPLAR]
        for start in range(0, len(pictured), finding.SCORED_AT_ONCE):
            self._vectors(prompts, pictured[start : start + finding.SCORED_AT_ONCE])


def rungs_of(second: Second) -> tuple[str, ...]:
    """Return what the record says of the second look."""
    return (SECOND_LOOK_LEFT_OUT,) if second is Second.LEFT_OUT else ()


def _turn(places: tuple[int, ...], seen: Seen, views: Sequence[Square], *, fused: bool) -> Turn:
    boxes = [view.to_image(found.astype(np.float64)) for view, found in zip(views, seen.boxes, strict=True)]
    return Turn(places, seen, np.concatenate(boxes), fused)


class FindRegions:
    """Finds what prompts name in an image.

    Args:
        passes: Has the image looked at.
        limit: When to give up.
        counts: Is told what was asked and found.
        masker: Makes masks where the detector makes none; None: boxes are all there is then.
        most_runs: Run lengths of all masks of one image.
    """

    def __init__(
        self,
        passes: Passes,
        limit: TimeLimit,
        counts: FindingCounts,
        *,
        masker: Masker | None = None,
        most_runs: int = LIMITS.mask_runs_per_image,
    ) -> None:
        self._passes = passes
        self._limit = limit
        self._counts = counts
        self._masker = masker
        self._most_runs = most_runs

    def __call__(self, image: ImageReference, prompts: Sequence[Prompt], options: FindOptions) -> Found:
        """Return the regions, best first; there may be none.

        Raises:
            InvalidInput: The image is no picture, or an exemplar cannot be looked for.
            NotFound, Corrupt, DeadlineExceeded, Unavailable: An image or a model is not to be had.
        """
        least = np.zeros(len(prompts))
        second = Second.NONE
        picture = self._passes.picture(image, options)
        outlines = Outlines(picture.views)
        hits: list[Hit] = []
        masks = True
        rules = Rules(across=options.overlap, most=finding.MOST_HITS)
        for number, turn in enumerate(self._passes(picture, prompts)):
            own = least[list(turn.places)] = self._passes.thresholds(turn, prompts, options)
            second = second if turn.second is Second.NONE else turn.second
            fresh = self._hits(turn, number, prompts, own, rules)
            hits = finding.best_first([*hits, *fresh])[: finding.MOST_HITS]
            outlines.keep(hits, turn.seen, turn=number)
            masks = bool(turn.seen.mask_queries.shape[2])
        hits = finding.whole_ones(hits, picture.views)
        if options.overlap is not None:
            hits = finding.distinct(hits, options.overlap)
        kept = hits[: LIMITS.regions_per_image]
        masker = None if masks else self._masker
        found = outlines.of(kept) if masker is None else masked(masker, picture, kept)
        regions, dropped = self._regions(image, kept, found, least)
        self._count(prompts, len(regions))
        rungs = [REGIONS_CAPPED] * (len(kept) < len(hits)) + [MASKS_DROPPED] * dropped
        models = (*self._passes.models(prompts, second), *(masker.models() if masker and kept else ()))
        return Found(tuple(regions), models, (*rungs, *rungs_of(second)))

    def _hits(
        self,
        turn: Turn,
        number: int,
        prompts: Sequence[Prompt],
        least: Float64[np.ndarray, "t"],
        rules: Rules,
    ) -> Iterator[Hit]:
        found = select(turn.boxes, self._passes.logits(turn, prompts), least, rules)
        each_view = turn.seen.boxes.shape[1]
        for box, prompt, score in zip(found.queries, found.prompts, found.scores, strict=True):
            view, query = divmod(int(box), each_view)
            left, top, right, bottom = turn.boxes[box].tolist()
            yield Hit(float(score), turn.places[prompt], number, view, query, (left, top, right, bottom))

    def _regions(
        self,
        image: ImageReference,
        hits: Sequence[Hit],
        outlines: Iterator[Outline | None],
        least: Float64[np.ndarray, "t"],
    ) -> tuple[list[Region], bool]:
        """Return the regions, and whether masks of some had to be left out."""
        regions: list[Region] = []
        left = self._most_runs
        dropped = False
        for number, hit in enumerate(hits):
            self._limit.check()
            found_by = FoundBy(hit.prompt, hit.score, float(least[hit.prompt]))
            region = Region(str(number), Box(*hit.box), RegionOrigin.PROMPT, found_by=found_by)
            outline = None if dropped else next(outlines)
            with_mask = replace(region, mask=drawn(image, hit, outline)) if outline else region
            left -= runs(with_mask)
            dropped = dropped or left < 0
            regions.append(region if dropped else with_mask)
        return regions, dropped

    def _count(self, prompts: Sequence[Prompt], found: int) -> None:
        for kind, count in finding.counted(prompts).items():
            self._counts.asked(kind.value, count)
        self._counts.found(found)
