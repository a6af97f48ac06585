from pathlib import Path

import numpy as np

from models.evaluation.metrics import Share
from models.evaluation.ranking.attributes import WAYS, Ablated
from models.evaluation.ranking.choices import Chosen
from models.evaluation.ranking.figures import Coverage
from models.evaluation.ranking.hostile import Moved, Places
from models.evaluation.ranking.report import page
from models.evaluation.ranking.rows import EVERYTHING, EXEMPLARS, Judged, Ranked
from models.evaluation.ranking.sets import Asked
from models.evaluation.ranking.suite import Cost, Results
from models.evaluation.report.page import RANKING, part
from models.ranking.joining import Weights
from models.ranking.letters import Bias
from tests.unit.models.evaluation.ranking.cases import question


def _row(title: str, *, ranked: bool) -> Judged:
    """Return forty pictures of which retrieval has half right, and ranking a tenth more."""
    questions = tuple(question([0.5, 0.4], i % 2, name=f"{title} {i}") for i in range(40))
    right = np.arange(40) % 2 == 0
    better = right | (np.arange(40) % 20 == 1) | (np.arange(40) % 20 == 3)
    own = Ranked(better, np.full(40, 0.6))
    ways = {EXEMPLARS: own, EVERYTHING: own} if ranked else {}
    return Judged(Asked(title, 1, questions, 2), Ranked(right, np.full(40, 0.5)), ways, Share(40, 40))


def _results(*, with_language: bool) -> Results:
    rows = (_row("birds", ranked=True), _row("cloth", ranked=False))
    bias = Bias(np.full(5, 0.2), np.zeros(5), 0.1, 0.2, 0.05, questions=7)
    moved = Moved("{}\nAnswer: A | B", 0.1, 0.2, 0.3, 0.0, 7)
    chosen = (("birds, 1", (Chosen(EVERYTHING, Share(30, 40), Share(0, 40)),)), ("cloth, 1", ()))
    return Results(
        most=40,
        rows=rows,
        heard=rows if with_language else (),
        weights=Weights(({"retrieval": 1.0, "pairs": 1.0},)),
        coverages=(Coverage("birds", 0.1, Share(95, 1000), None),),
        chosen=chosen,
        examined=chosen if with_language else (),
        places=Places(bias, 0.0) if with_language else None,
        moved=(moved,) if with_language else (),
        attributes=(Ablated("birds, 1", 0.5, {WAYS[0]: Share(20, 40), WAYS[3]: Share(30, 40)}),),
        costs=(Cost("pairs", 5.0),),
        left_out=() if with_language else ("Left out: *letters*.",),
    )


def test_the_page_gets_its_part_and_keeps_the_rest(tmp_path: Path) -> None:
    (tmp_path / "quality.md").write_text("before\n<!-- ranking -->\nold\n<!-- /ranking -->\nbehind\n")

    page.write(_results(with_language=True), tmp_path)

    text = (tmp_path / "quality.md").read_text()
    assert text.startswith("before\n")
    assert text.endswith("behind\n")
    inside = part(text, RANKING)
    assert "old" not in inside
    assert "| birds | 1 a class | 40 | 100.0 | 50.0 (35\N{EN DASH}65) | 60.0" in inside
    assert "+10.0 (" in inside
    assert "75.0 (" in inside  # multiple choice
    assert "| cloth | 1 a class | 40 | 100.0 | 50.0" in inside
    assert "Answer: A \\| B" in inside
    assert "| birds, 1 | 40 | 50.0 | 50.0 (35\N{EN DASH}65) | \N{EN DASH} | \N{EN DASH} | 75.0 (" in inside
    assert (tmp_path / "images" / "quality-ranking.svg").is_file()


def test_what_was_left_out_is_said(tmp_path: Path) -> None:
    (tmp_path / "quality.md").write_text("<!-- ranking -->\n<!-- /ranking -->\n")

    page.write(_results(with_language=False), tmp_path)

    assert "**Left out: *letters*.**" in (tmp_path / "quality.md").read_text()
