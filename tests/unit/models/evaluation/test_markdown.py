import math

import pytest

from models.evaluation.metrics import Mean, Share
from models.evaluation.report.markdown import BadTemplate, fill, percent, ranged, spread, table, together
from models.evaluation.report.page import TEMPLATE


def test_shares_are_shown_in_per_cent_with_their_interval() -> None:
    assert ranged(Share(8, 10)) == "80.0 (49\N{EN DASH}94)"
    assert percent(math.nan) == "\N{EN DASH}"
    assert spread(Mean(0.5, 0.012, 5)) == "50.0 ± 1.2"
    assert together([Share(1, 2), Share(3, 4)]) == Share(4, 6)


def test_a_table_has_a_line_for_each_row() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"


def test_a_template_is_filled_without_a_gap() -> None:
    assert fill("{{a}} and {{b}}", {"a": "1", "b": "{{a}}"}) == "1 and {{a}}"


@pytest.mark.parametrize("values", [{}, {"a": "1", "b": "2"}, {"b": "2"}])
def test_a_value_without_a_place_and_a_place_without_a_value_are_errors(values: dict[str, str]) -> None:
    with pytest.raises(BadTemplate):
        fill("{{a}}", values)


def test_the_template_types_no_measured_number() -> None:
    assert "{{summary}}" in TEMPLATE.read_text(encoding="utf-8")
