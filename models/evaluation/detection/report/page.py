"""The part of docs/quality.md that is about finding: the template beside this file with what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from models.evaluation.detection.floors import ACTIVATION_SCENES
from models.evaluation.detection.naming import REGIONS
from models.evaluation.detection.passes import Draw
from models.evaluation.detection.report import plots, sheet, tables
from models.evaluation.detection.suite import NAMING_SCENES, TITLES, Results
from models.evaluation.report.markdown import fill
from models.evaluation.report.page import FINDING, PAGE, with_part
from models.segmentation.scenes import sets

TEMPLATE: Final = Path(__file__).with_name("finding.md")
_IMAGES: Final = "images"


def write(results: Results, docs: Path, drawn: Draw = sets.evaluation) -> None:
    """Put what was measured into the page, which is there, and its pictures beside it.

    Args:
        results: Everything.
        docs: Folder of the page.
        drawn: Draws a scene of a set again.
    """
    plots.finding(results, docs / _IMAGES / "quality-finding.svg")
    place = docs / _IMAGES / "quality-finding.webp"
    sheet.write(results.seen, TITLES, results.thresholds, drawn, place)
    text = fill(TEMPLATE.read_text(encoding="utf-8"), values(results))
    page = docs / PAGE
    page.write_text(with_part(page.read_text(encoding="utf-8"), FINDING, text), encoding="utf-8")


def values(results: Results) -> dict[str, str]:
    """Return what stands in each place of the template."""
    return {
        "scenes": str(results.scenes),
        "left_out": "".join(f"\n**{line}**\n" for line in results.left_out),
        **TITLES,
        "summary": tables.summary(results),
        "precision": tables.precision(results.precisions),
        "looks": tables.looks(results.looks),
        "everything": tables.everything(results.everything),
        "activation_scenes": str(ACTIVATION_SCENES),
        "masks": tables.masks(results),
        "phrases": tables.phrases(results.phrases),
        "groups": tables.groups(results.groups),
        "rejections": tables.rejections(results.rejections),
        "covered": tables.covered(results.covered),
        "naming_scenes": str(min(NAMING_SCENES, results.scenes)),
        "regions": str(REGIONS),
        "naming": tables.naming(results.naming),
    }
