from pathlib import Path

from examples.demo.metrics import Share
from examples.quality.page import written
from tests.unit.examples.test_report import findings


def test_the_page_has_every_table_and_no_gap(tmp_path: Path) -> None:
    known = [("always the first label", Share(7, 10))]
    strange = [("answered *unknown*", Share(1, 4))]

    page = written(findings(tmp_path), known, strange)

    assert "{{" not in page
    assert "| always the first label | 70.0 (40\N{EN DASH}89) | 10 |" in page
    assert "| answered *unknown* | 25.0 (5\N{EN DASH}70) | 4 |" in page
