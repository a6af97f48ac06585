"""The report's tables: accuracy, unknown classes, groups, speed."""

from __future__ import annotations

from collections.abc import Sequence

from examples.demo.findings import Findings
from examples.demo.metrics import Share
from examples.demo.modes import Round
from examples.demo.report.figures import scale
from examples.demo.report.markup import Child, Html, tag
from examples.demo.report.wording import NONE, THIN, decimal, duration, interval, percent, rate
from examples.demo.scores import ALL, Accuracy, accuracies, groups, stage_times, unknowns

_AXIS = tag("span", tag("span", "0"), tag("span", "50"), tag("span", f"100{THIN}%"), class_="axis")


def accuracy(found: Findings) -> Html:
    """Return a row for each mode and vendor."""
    head = ("Asked", "n", "First", "95 % interval", _AXIS, "Pixels", "Chance", "In the first five", "Pixels")
    bodies = [_accuracy_rows(found, one, columns=len(head)) for one in found.rounds]
    return _table(head, bodies, numbers_from=1)


def by_group(found: Findings) -> Html:
    """Return a row for each group of classes, with a column for each mode."""
    head = ("Group", *(one.mode.title for one in found.rounds))
    rows = [
        tag("tr", _row_head(cells[0].where), [_group_cell(cell) for cell in cells])
        for cells in groups(found.rounds)
    ]
    return _table(head, _body(rows), numbers_from=1)


def unknown(found: Findings) -> Html:
    """Return how well unknown classes are told from known ones."""
    head = (
        "Taught",
        "Unknown ones flagged",
        "95 %",
        "Known ones wrongly flagged",
        "95 %",
        "AUROC",
        "Pixels' AUROC",
        "Threshold",
    )
    return _table(head, _body([_unknown_row(one) for one in found.rounds]), numbers_from=1)


def speed(found: Findings) -> Html:
    """Return what each stage took."""
    head = ("Stage", "Median", "95th percentile", "Models")
    rows = [
        tag(
            "tr",
            _row_head(row.name),
            _numbers(duration(row.median_s), duration(row.p95_s)),
            tag("td", _models(row.models)),
        )
        for row in stage_times(found.rounds[0])
    ]
    alone = tag(
        "tr",
        _row_head("what the caller waits"),
        _numbers(duration(found.alone_median_s), duration(found.alone_p95_s)),
        tag("td", "with gateway, storage and transport"),
        class_="total",
    )
    return _table(head, _body([*rows, alone]), numbers_from=1, numbers_to=3)


def throughput(found: Findings) -> Html:
    """Return how fast each mode was taught and asked."""
    head = ("Taught", "Exemplars", "Time", "per s", "Pictures asked", "Time", "per s")
    return _table(head, _body([_throughput_row(one) for one in found.rounds]), numbers_from=1)


def _accuracy_rows(found: Findings, one: Round, *, columns: int) -> Html:
    title = tag("tr", tag("th", one.mode.title, colspan=str(columns), scope="rowgroup"), class_="title")
    return tag("tbody", title, [_accuracy_row(found, row) for row in accuracies(one)])


def _accuracy_row(found: Findings, row: Accuracy) -> Html:
    cells = _numbers(str(row.top_1.count), tag("b", percent(row.top_1.value)), interval(row.top_1))
    drawn = tag("td", scale(row.top_1, baseline=row.pixel_1, chance=row.chance_1), class_="drawn")
    rest = _numbers(
        _optional(row.pixel_1), percent(row.chance_1, 1), percent(row.top_5.value), _optional(row.pixel_5)
    )
    if row.where == ALL:
        return tag("tr", _row_head("together"), cells, drawn, rest, class_="total")
    return tag("tr", _row_head(found.vendor(row.where)), cells, drawn, rest)


def _group_cell(row: Accuracy) -> Html:
    words = tag("span", tag("b", percent(row.top_1.value)), f" of {row.top_1.count}", class_="value")
    return tag(
        "td", words, scale(row.top_1, baseline=row.pixel_1, chance=row.chance_1), class_="number with-scale"
    )


def _unknown_row(one: Round) -> Html:
    row = unknowns(one)
    threshold = f"{decimal(row.threshold)}{'' if row.calibrated else ' (shipped, uncalibrated)'}"
    cells = _numbers(
        f"{percent(row.flagged.value)} of {row.flagged.count}",
        interval(row.flagged),
        f"{percent(row.wrongly.value)} of {row.wrongly.count}",
        interval(row.wrongly),
        tag("b", decimal(row.auroc)),
        NONE if row.pixel_auroc is None else decimal(row.pixel_auroc),
        threshold,
    )
    return tag("tr", _row_head(one.mode.title), cells)


def _throughput_row(one: Round) -> Html:
    taught, asked = len(one.exemplars), one.streamed
    cells = _numbers(
        str(taught),
        duration(one.teach_s),
        rate(taught, one.teach_s),
        str(asked),
        duration(one.stream_s),
        rate(asked, one.stream_s),
    )
    return tag("tr", _row_head(one.mode.title), cells)


def _optional(found: Share | None) -> str:
    return NONE if found is None else percent(found.value)


def _models(names: Sequence[str]) -> Child:
    return [tag("code", name) for name in names] if names else NONE


def _numbers(*cells: Child) -> list[Html]:
    return [tag("td", cell, class_="number") for cell in cells]


def _row_head(words: str) -> Html:
    return tag("th", words, scope="row")


def _table(head: Sequence[Child], bodies: Sequence[Html], *, numbers_from: int, numbers_to: int = 99) -> Html:
    """Return a table in a frame that scrolls by itself where the page is narrow."""
    heads = [
        tag("th", words, scope="col", class_="number" if numbers_from <= i < numbers_to else None)
        for i, words in enumerate(head)
    ]
    table = tag("table", tag("thead", tag("tr", heads)), bodies)
    return tag("div", table, class_="scroll", tabindex="0")


def _body(rows: Sequence[Html]) -> list[Html]:
    return [tag("tbody", rows)]
