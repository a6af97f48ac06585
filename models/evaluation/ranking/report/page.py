"""The part of docs/quality.md that is about ranking: the template beside this file with what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from models.evaluation.ranking.report import plots, tables
from models.evaluation.ranking.suite import TRUST, Results
from models.evaluation.report.markdown import fill
from models.evaluation.report.page import PAGE, RANKING, with_part

TEMPLATE: Final = Path(__file__).with_name("ranking.md")
_IMAGES: Final = "images"


def write(results: Results, docs: Path) -> None:
    """Put what was measured into the page, which is there, and its plot beside it."""
    plots.gate(results, docs / _IMAGES / "quality-ranking.svg")
    text = fill(TEMPLATE.read_text(encoding="utf-8"), values(results))
    page = docs / PAGE
    page.write_text(with_part(page.read_text(encoding="utf-8"), RANKING, text), encoding="utf-8")


def values(results: Results) -> dict[str, str]:
    """Return what stands in each place of the template."""
    return {
        "left_out": "".join(f"\n**{line}**\n" for line in results.left_out),
        "most": f"{results.most:,}",
        "trust": f"{TRUST:.2f}",
        "heard": f"{max((len(each.asked.questions) for each in results.heard), default=0):,}",
        "hostile_count": str(results.places.bias.questions if results.places else 0),
        "weights": tables.weights(results),
        "summary": tables.summary(results),
        "shots": tables.shots(results),
        "ablation": tables.ablation(results),
        "attributes": tables.attributes(results),
        "groups": tables.groups(results),
        "calibration": tables.calibration(results),
        "coverage": tables.coverage(results.coverages),
        "choices": tables.choices(results),
        "places": tables.places(results.places),
        "hostile": tables.hostile(results.moved),
        "costs": tables.costs(results),
    }
