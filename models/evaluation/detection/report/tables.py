"""One function a table of what the detector finds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from models.evaluation.detection.figures import Covered, Group, Naming, Precision, Rejection
from models.evaluation.detection.intervals import Estimate
from models.evaluation.detection.suite import Everything, Looks, Pointing, Results
from models.evaluation.report.markdown import percent, table

_DASH: Final = "\N{EN DASH}"
_SHAPES: Final = {"bbox": "box", "segm": "mask"}


def ranged(found: Estimate) -> str:
    """Return a figure in per cent with its interval."""
    if math.isnan(found.value):
        return _DASH
    low, high = found.interval
    return f"{percent(found.value)} ({100 * low:.0f}{_DASH}{100 * high:.0f})"


def precision(found: Sequence[Precision]) -> str:
    """Return average precision of boxes and masks."""
    header = ["", "", "n", "AP50", "AP50 pooled", "AP", "AP75", "small", "medium", "large"]
    rows = [
        [
            each.title,
            _SHAPES[each.shape],
            f"{each.ap50.count:,}",
            *map(ranged, (each.ap50, each.pooled, each.ap, each.ap75, *each.sizes)),
        ]
        for each in found
    ]
    return table(header, rows)


def looks(found: Sequence[Looks]) -> str:
    """Return AP50 without and with the second look."""
    rows = [
        [each.title, *map(ranged, (each.one, each.both, each.one_pooled, each.both_pooled))] for each in found
    ]
    return table(["", "one look", "both", "one look, pooled", "both, pooled"], rows)


def everything(found: Sequence[Everything]) -> str:
    """Return AP50 with a few and with all names."""
    rows = [[each.title, ranged(each.own), f"{each.names:,}", ranged(each.all)] for each in found]
    return table(["", "own names and ten absent", "names", "all of them"], rows)


def masks(results: Results) -> str:
    """Return mean mask IoU beside what it has to beat."""
    rows = [["everything is foreground", results.pointing[0].title, *_mean(results.foreground)]]
    if results.activation is not None:
        rows.append(
            ["class-activation map, upper bound", results.pointing[0].title, *_mean(results.activation)]
        )
    rows += [["fovea-detector", each.title, *_mean(each.mask)] for each in results.pointing]
    return table(["", "", "n", "mean mask IoU"], rows)


def phrases(found: Sequence[Pointing]) -> str:
    """Return referring accuracy and mask IoU."""
    rows = [[each.title, f"{each.right.count:,}", ranged(each.right), ranged(each.mask)] for each in found]
    return table(["", "n", "right", "mean mask IoU"], rows)


def groups(found: Sequence[tuple[str, Sequence[Group]]]) -> str:
    """Return D³'s groups, own phrases and everybody's."""
    rows = [
        [title, each.title, f"{each.ap50.count:,}", ranged(each.ap50), ranged(each.ap)]
        for title, listed in found
        for each in listed
    ]
    return table(["asked for", "", "n", "AP50", "AP"], rows)


def rejections(found: Sequence[Rejection]) -> str:
    """Return what comes of absent and of present prompts, and calibration."""
    header = [
        "",
        "kind",
        "threshold",
        "absent, answered",
        "n",
        "present, answered",
        "n",
        "error, detections",
        "error, prompts",
    ]
    rows = [
        [
            each.title,
            each.kind,
            f"{each.threshold:.2f}",
            ranged(each.absent),
            f"{each.absent.count:,}",
            ranged(each.present),
            f"{each.present.count:,}",
            ranged(each.detections_error),
            ranged(each.prompts_error),
        ]
        for each in found
    ]
    return table(header, rows)


def covered(found: Sequence[Covered]) -> str:
    """Return mIoU and panoptic quality."""
    rows = [
        [each.title, ranged(each.miou), f"{each.pq.count:,}", *map(ranged, (each.pq, each.sq, each.rq))]
        for each in found
    ]
    return table(["", "mIoU", "segments", "PQ", "SQ", "RQ"], rows)


def naming(found: Sequence[tuple[str, Sequence[Naming]]]) -> str:
    """Return who names which boxes how well."""
    rows = [
        [title, each.title, f"{each.right.count:,}", ranged(each.ap50), ranged(each.right)]
        for title, listed in found
        for each in listed
    ]
    return table(["", "", "n", "AP50", "right"], rows)


def summary(results: Results) -> str:
    """Return every task in one line, beside its floor and its aim."""
    seen, unseen, photos = (each for each in results.precisions if each.shape == "bbox")
    absent = max((each for each in results.rejections), key=lambda each: each.absent.value)
    stuff, _, every = results.covered
    own = results.pointing[0]
    floor = f"{percent(results.foreground.value)} everything"
    if results.activation is not None:
        floor += f", {percent(results.activation.value)} activation map at best"
    told = results.phrases[0]
    rows = [
        _line(f"box AP50, {seen.title}", _DASH, seen.ap50, "80"),
        _line(f"box AP50, {unseen.title}", _crops(results, unseen.title), unseen.ap50, "50"),
        _line(f"box AP50, {photos.title}", _crops(results, photos.title), photos.ap50, _DASH),
        _line(f"mean mask IoU of what is asked for, {own.title}", floor, own.mask, "80"),
        _line(f"phrases {told.title}: right", _DASH, told.right, "75"),
        _line(f"absent prompts answered, at worst ({absent.title})", _DASH, absent.absent, "at most 5"),
        _line("stuff, mIoU", _DASH, stuff.miou, "80"),
        _line("things on stuff, panoptic quality", _DASH, every.pq, "60"),
    ]
    return table(["per cent", "beside", "fovea-detector", "n", "aim"], rows)


def _crops(results: Results, title: str) -> str:
    """Return what the slow way gives: the detector's boxes, an encoder that sees each crop."""
    ways = dict(results.naming).get(title, ())
    found = next((each for each in ways if each.title.startswith("own box, fovea-global")), None)
    return (
        _DASH if found is None else f"{percent(found.ap50.value)} own boxes, each crop named by fovea-global"
    )


def _line(title: str, beside: str, found: Estimate, aim: str) -> list[str]:
    return [title, beside, ranged(found), f"{found.count:,}", aim]


def _mean(found: Estimate) -> list[str]:
    return [f"{found.count:,}", ranged(found)]
