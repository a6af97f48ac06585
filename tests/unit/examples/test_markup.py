"""The report's HTML."""

from __future__ import annotations

from examples.demo.report.markup import Html, join, tag


def test_text_is_escaped_and_markup_is_not() -> None:
    assert tag("p", "<b> & co", tag("b", "x")) == "<p>&lt;b&gt; &amp; co<b>x</b></p>"


def test_an_attribute_cannot_break_out_of_its_quotes() -> None:
    assert tag("a", title='"><script>') == '<a title="&quot;&gt;&lt;script&gt;"></a>'


def test_attributes_that_python_reserves_are_written_plainly() -> None:
    assert tag("td", class_="n", aria_label="x", id=None) == '<td class="n" aria-label="x"></td>'


def test_an_image_has_no_end() -> None:
    assert tag("img", alt="") == '<img alt="">'


def test_lists_and_nothing_may_stand_inside() -> None:
    assert join(["a", None, [Html("<br>"), "b"]]) == "a<br>b"
