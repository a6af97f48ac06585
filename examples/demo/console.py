"""What the terminal shows: how far it is, then the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from examples.demo.findings import Findings
from examples.demo.found import finding
from examples.demo.metrics import Share, calibration_error
from examples.demo.modes import Answer
from examples.demo.report.wording import NONE, decimal, duration, percent, rate
from examples.demo.scores import ALL, Accuracy, accuracies, bins, crowd, stage_times, unknowns
from fovea.cli.answers import show_in_detail

T = TypeVar("T")


class Bars:
    """Shows one bar a step, on a terminal; elsewhere a line when the step ends."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, items: Iterable[T], title: str, total: int) -> Iterator[T]:
        """Yield the items, and show how many of them came."""
        columns = (TextColumn(f"{title:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console) as shown:
            yield from shown.track(items, total=total)


def show(console: Console, found: Findings) -> None:
    """Print every number of the run, the unfavourable ones as well."""
    console.print()
    console.print(_accuracy(found))
    console.print(_crowd(found))
    console.print(_words(found))
    console.print(_unknown(found))
    console.print(_stages(found))
    console.print(_speed(found))
    ranked = (answer for one in found.rounds for answer in one.answers if _is_ranked(answer))
    if (answer := next(ranked, None)) is not None:
        console.print(
            "One answer whole, as fovea recognize shows it; the report has more of them", style="bold"
        )
        show_in_detail(answer.recognition)


def _is_ranked(answer: Answer) -> bool:
    return answer.right and answer.region is not None and answer.region.judgement is not None


def _accuracy(found: Findings) -> Table:
    table = _table(
        f"Right, with 95 % interval, beside 16 x 16 pixels; chance {percent(1 / found.rounds[0].classes, 1)}",
        ("asked", "n", "first", "pixels", "in first five", "pixels"),
    )
    for one in found.rounds:
        table.add_row(f"[bold]{one.mode.title}[/bold]")
        for row in accuracies(one):
            table.add_row(*_accuracy_row(found, row), end_section=row.where == ALL)
    return table


def _accuracy_row(found: Findings, row: Accuracy) -> tuple[str, ...]:
    return (
        "together" if row.where == ALL else found.vendor(row.where),
        str(row.top_1.count),
        _ranged(row.top_1),
        _optional(row.pixel_1),
        _ranged(row.top_5),
        _optional(row.pixel_5),
    )


def _crowd(found: Findings) -> Table:
    row = crowd(found.rounds[0], found.sheets)
    table = _table(
        f"{row.sheets} sheets of many things, a box around each",
        ("asked", "n", "first", "in first five"),
    )
    table.add_row("boxes on sheets", str(row.top_1.count), _ranged(row.top_1), _ranged(row.top_5))
    table.add_row("the same, alone", str(row.alone_1.count), _ranged(row.alone_1), _ranged(row.alone_5))
    return table


def _words(found: Findings) -> Table:
    row = finding(found.scenes)
    title = f"{row.scenes} scenes asked in words; outlines overlap by {decimal(row.mask_iou)}"
    table = _table(title, ("things", "n", "share"))
    for words, counted in (
        ("found by its name", row.found),
        ("named right, own box", row.own),
        ("named right, oracle box", row.oracle),
        ("told apart by a phrase", row.told_apart),
        ("absent, yet found", row.imagined),
    ):
        table.add_row(words, str(counted.count), _ranged(counted))
    return table


def _unknown(found: Findings) -> Table:
    table = _table(
        "Does it know what it does not know? (ECE: error of the probabilities)",
        ("taught", "unknown flagged", "known flagged", "AUROC", "pixels", "ECE"),
    )
    for one in found.rounds:
        row = unknowns(one)
        table.add_row(
            one.mode.title,
            _ranged(row.flagged),
            _ranged(row.wrongly),
            f"[bold]{decimal(row.auroc)}[/bold]",
            NONE if row.pixel_auroc is None else decimal(row.pixel_auroc),
            decimal(calibration_error(bins(one))),
        )
    return table


def _stages(found: Findings) -> Table:
    table = _table(
        f"Time of {len(found.alone_s)} new pictures, one by one",
        ("stage", "median", "95th percentile"),
    )
    for row in stage_times(found.rounds[0]):
        table.add_row(row.name, duration(row.median_s), duration(row.p95_s))
    table.add_row("a caller waits", duration(found.alone_median_s), duration(found.alone_p95_s))
    return table


def _speed(found: Findings) -> Table:
    table = _table(
        "Throughput; from the second way on, embeddings were kept",
        ("taught", "exemplars", "per s", "asked", "per s", "each"),
    )
    for one in found.rounds:
        taught, asked = len(one.exemplars), one.streamed
        table.add_row(
            one.mode.title,
            str(taught),
            rate(taught, one.teach_s),
            str(asked),
            rate(asked, one.stream_s),
            duration(one.stream_s / asked if asked else math.nan),
        )
    return table


def _table(title: str, columns: tuple[str, ...]) -> Table:
    """Return a table that fits into 80 columns."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    first, *others = columns
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _ranged(found: Share) -> str:
    low, high = (f"{100 * end:.0f}" for end in found.interval)
    return f"[bold]{percent(found.value, 1)}[/bold] ({low}\N{EN DASH}{high})"


def _optional(found: Share | None) -> str:
    return NONE if found is None else percent(found.value)
