"""Every figure of a set of scenes, with its interval."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from jaxtyping import Float

from models.evaluation.detection import calibration, semantic
from models.evaluation.detection.answers import Asked
from models.evaluation.detection.calibration import Bin
from models.evaluation.detection.evidence import Evidence
from models.evaluation.detection.intervals import Estimate, estimate, estimate_share
from models.evaluation.detection.matching import AREAS, Matches, Shape, match
from models.evaluation.detection.naming import Named
from models.evaluation.detection.panoptic import Segment, quality
from models.evaluation.detection.precision import average_precision
from models.evaluation.detection.prompted import Pointed, accuracy, mean_mask_iou
from models.evaluation.detection.rejection import FULL, Offered, accepted_share, group_of, offered, only
from models.segmentation.samples import PromptKind

AP50: Final = (0,)
_AP75: Final = (5,)


@dataclass(frozen=True)
class Precision:
    """Average precision of boxes or masks on one set.

    Attributes:
        title: Of the set.
        shape: `bbox` or `segm`.
        ap50: Over names, at IoU 0.5.
        pooled: The same, pooled over prompts.
        ap: Over names, the mean of IoU 0.5 to 0.95.
        ap75: Over names, at IoU 0.75.
        sizes: As `ap`, of small, medium and large things.
    """

    title: str
    shape: Shape
    ap50: Estimate
    pooled: Estimate
    ap: Estimate
    ap75: Estimate
    sizes: tuple[Estimate, ...]


@dataclass(frozen=True)
class Rejection:
    """Prompts of one kind that are accepted above its threshold, and whether scores mean what they say."""

    title: str
    kind: PromptKind
    threshold: float
    absent: Estimate
    present: Estimate
    detections_error: Estimate
    prompts_error: Estimate
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Group:
    """AP50 and AP of a group of phrases, D³'s way."""

    title: str
    ap50: Estimate
    ap: Estimate


@dataclass(frozen=True)
class Covered:
    """mIoU and panoptic quality of all names, of things or of stuff."""

    title: str
    miou: Estimate
    pq: Estimate
    sq: Estimate
    rq: Estimate


@dataclass(frozen=True)
class Naming:
    """Regions named in one way: AP50 over names, and the share of things found and named right."""

    title: str
    ap50: Estimate
    right: Estimate


def precision(title: str, matches: Matches, shape: Shape) -> Precision:
    """Return average precision in every form."""
    over_names = partial(_average, matches)
    return Precision(
        title,
        shape,
        ap50=over_names(ious=AP50),
        pooled=_average(matches.pooled(), ious=AP50),
        ap=over_names(),
        ap75=over_names(ious=_AP75),
        sizes=tuple(over_names(area=area) for area in AREAS[1:]),
    )


def ap50(asked: Sequence[Asked]) -> Estimate:
    """Return AP50 of boxes over names."""
    return average50(match(asked, "bbox", sizes=False))


def average50(matches: Matches) -> Estimate:
    """Return AP50 over names."""
    return _average(matches, ious=AP50)


def group(title: str, asked: Sequence[Asked]) -> Group:
    """Return AP50 and AP of boxes over phrases."""
    matches = match(asked, "bbox", sizes=False)
    return Group(title, _average(matches, ious=AP50), _average(matches))


def groups(asked: Sequence[Asked], names: Sequence[str]) -> list[Group]:
    """Return D³'s groups, those that have a phrase."""
    found = {group_of(each.prompts[prompt].text) for each in asked for prompt in each.verified}
    return [group(name, only(asked, name)) for name in names if name == FULL or name in found]


def pointing(found: Sequence[Pointed], scenes: int) -> tuple[Estimate, Estimate]:
    """Return how many best boxes are right, and the mean IoU of the best masks."""
    return (
        estimate_share(partial(accuracy, found), scenes, len(found)),
        estimate(partial(mean_mask_iou, found), scenes, len(found)),
    )


def rejection(
    title: str,
    asked: Sequence[Asked],
    kind: PromptKind,
    threshold: float,
) -> Rejection:
    """Return what comes of the prompts of one kind.

    Args:
        title: Of the set.
        asked: Its scenes.
        kind: Of the prompts that are looked at.
        threshold: Of that kind.
    """
    scenes = len(asked)
    of_kind = [_of_kind(each, kind) for each in asked]
    chosen = offered(of_kind, [threshold] * scenes)
    detections = calibration.of_detections(match(of_kind, "bbox", sizes=False))
    prompts = calibration.of_prompts(chosen)
    return Rejection(
        title,
        kind,
        threshold,
        absent=_accepted(chosen, scenes, present=False),
        present=_accepted(chosen, scenes, present=True),
        detections_error=estimate(partial(calibration.error, detections), scenes, len(detections)),
        prompts_error=estimate(partial(calibration.error, prompts), scenes, len(prompts)),
        bins=tuple(calibration.bins(detections)),
    )


def covered(title: str, seen: Sequence[Evidence], names: Collection[str]) -> Covered:
    """Return how well maps cover these names."""
    counted = [each for one in seen for each in one.pixels]
    segments = [each for one in seen for each in one.segments]
    scenes = len(seen)
    pixels = sum(each.true > 0 for each in counted if each.name in names)
    things = sum(each.iou > 0 or not each.said for each in segments if each.name in names)
    pq, sq, rq = (estimate(partial(_quality, segments, names, part), scenes, things) for part in range(3))
    miou = estimate(lambda weights: semantic.mean_iou(counted, weights, names), scenes, pixels)
    return Covered(title, miou, pq, sq, rq)


def naming(title: str, found: Sequence[Named]) -> Naming:
    """Return how well regions were named in one way."""
    right = np.array([each for one in found for each in one.right], dtype=np.float64)
    scene = np.repeat(np.arange(len(found)), [len(one.right) for one in found])
    share = estimate_share(
        lambda weights: float((right * weights[scene]).sum() / max(weights[scene].sum(), 1)),
        len(found),
        len(right),
    )
    return Naming(title, ap50([each.asked for each in found]), share)


def kinds(asked: Sequence[Asked]) -> Mapping[PromptKind, int]:
    """Return how many prompts of each kind there are."""
    every = [each.prompts[prompt].kind for each in asked for prompt in each.verified]
    return {kind: every.count(kind) for kind in PromptKind if kind in every}


def _quality(
    segments: Sequence[Segment], names: Collection[str], part: int, weights: Float[np.ndarray, "scene"]
) -> float:
    found = quality(segments, weights, names)
    return (found.pq, found.sq, found.rq)[part]


def _average(matches: Matches, *, ious: Sequence[int] = range(10), area: str = "all") -> Estimate:
    return estimate(
        lambda weights: average_precision(matches, weights, ious=ious, area=area),
        matches.scenes,
        matches.truths(area),
    )


def _accepted(found: Sequence[Offered], scenes: int, *, present: bool) -> Estimate:
    count = sum(each.present == present for each in found)
    return estimate_share(partial(accepted_share, found, present=present), scenes, count)


def _of_kind(asked: Asked, kind: PromptKind) -> Asked:
    chosen = frozenset(prompt for prompt in asked.verified if asked.prompts[prompt].kind is kind)
    return Asked(asked.width_px, asked.height_px, asked.prompts, asked.truths, asked.answers, chosen)
