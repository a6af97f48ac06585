"""The page from what one run found."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from examples.demo.findings import Findings
from examples.demo.found import finding
from examples.demo.metrics import calibration_error
from examples.demo.report.wording import decimal
from examples.demo.scenes import ABSENT
from examples.demo.scores import ALL, Accuracy, accuracies, bins, crowd, groups, unknowns
from examples.levels import Row
from models.evaluation.metrics import Share
from models.evaluation.report.markdown import fill, percent, ranged, table

TEMPLATE = Path(__file__).with_name("demo-quality.md")
_NONE = "\N{EN DASH}"


def written(found: Findings, known: Iterable[Row], strange: Iterable[Row]) -> str:
    """Return the page."""
    task = found.task
    row = crowd(found.rounds[0], found.sheets)
    values = {
        "taught": str(len(task.labels)),
        "held_out": str(len(task.unknown_labels)),
        "teacher": found.vendor(task.teacher),
        "others": " and ".join(found.vendor(vendor) for vendor in task.vendors[1:]),
        "chance_1": f"{100 / found.rounds[0].classes:.1f}",
        "chance_5": f"{500 / found.rounds[0].classes:.1f}",
        "right": _right(found),
        "kinds": _kinds(found),
        "things": str(row.top_1.count),
        "sheets": str(row.sheets),
        "crowd": table(
            ["", "first", "in the first five"],
            [
                ["cropped from a sheet", ranged(row.top_1), ranged(row.top_5)],
                ["the same, alone", ranged(row.alone_1), ranged(row.alone_5)],
            ],
        ),
        **_found(found),
        "unknown": _unknown(found),
        "known_levels": _levels(known),
        "strange_levels": _levels(strange),
    }
    return fill(TEMPLATE.read_text(encoding="utf-8"), values)


def _found(found: Findings) -> dict[str, str]:
    row = finding(found.scenes)
    shares = {
        "found by its name": row.found,
        "found, and named right: own box": row.own,
        "named right, its outline given: oracle box": row.oracle,
        "the one that a phrase means is found first": row.told_apart,
        "absent, and something was found": row.imagined,
    }
    return {
        "scenes": str(row.scenes),
        "scene_things": str(row.own.count),
        "absent": str(ABSENT),
        "found": table(
            ["", "per cent", "of"], [[words, ranged(one), str(one.count)] for words, one in shares.items()]
        ),
        "outlines": decimal(row.mask_iou),
        "beside": str(row.beside),
    }


def _right(found: Findings) -> str:
    rows = [
        [one.mode.title, "together" if row.where == ALL else found.vendor(row.where), *_cells(row)]
        for one in found.rounds
        for row in accuracies(one)
    ]
    return table(["taught", "asked", "n", "first", "pixels", "in the first five", "pixels"], rows)


def _cells(row: Accuracy) -> list[str]:
    return [
        str(row.top_1.count),
        ranged(row.top_1),
        _optional(row.pixel_1),
        ranged(row.top_5),
        _optional(row.pixel_5),
    ]


def _kinds(found: Findings) -> str:
    rows = [[row[0].where, *(percent(each.top_1.value) for each in row)] for row in groups(found.rounds)]
    return table(["first, %", *(one.mode.title.lower() for one in found.rounds)], rows)


def _unknown(found: Findings) -> str:
    rows = []
    for one in found.rounds:
        row = unknowns(one)
        rows.append(
            [
                one.mode.title.lower(),
                f"{ranged(row.flagged)} of {row.flagged.count}",
                f"{ranged(row.wrongly)} of {row.wrongly.count}",
                f"{row.auroc:.2f}",
                _NONE if row.pixel_auroc is None else f"{row.pixel_auroc:.2f}",
                f"{calibration_error(bins(one)):.2f}",
            ]
        )
    return table(["taught", "unknown flagged", "known flagged", "AUROC", "pixels' AUROC", "ECE"], rows)


def _levels(rows: Iterable[Row]) -> str:
    return table(["", "per cent", "of"], [[what, ranged(found), str(found.count)] for what, found in rows])


def _optional(found: Share | None) -> str:
    return _NONE if found is None else percent(found.value)
