"""What the terminal shows: how far it is, then the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from examples.demo.findings import Findings
from examples.demo.metrics import Share, calibration_error
from examples.demo.modes import Round
from examples.demo.report.wording import NONE, decimal, duration, interval, percent
from examples.demo.scores import ALL, Accuracy, accuracies, bins, stage_times, unknowns

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
    console.print(_unknown(found))
    console.print(_stages(found))
    console.print(_speed(found))


def _accuracy(found: Findings) -> Table:
    table = _table(
        "Accuracy: where the right class stood, with 95 % intervals (Wilson)",
        ("taught", "asked"),
        ("n", "first", "95 %", "pixels", "chance", "first five", "95 %", "pixels"),
    )
    for one in found.rounds:
        for row in accuracies(one):
            table.add_row(*_accuracy_row(found, one, row), end_section=row.where == ALL)
    return table


def _accuracy_row(found: Findings, one: Round, row: Accuracy) -> tuple[str, ...]:
    return (
        one.mode.title if row.where != ALL else "",
        "together" if row.where == ALL else found.vendor(row.where),
        str(row.top_1.count),
        f"[bold]{percent(row.top_1.value, 1)}[/bold]",
        interval(row.top_1),
        _optional(row.pixel_1),
        percent(row.chance_1, 1),
        f"[bold]{percent(row.top_5.value, 1)}[/bold]",
        interval(row.top_5),
        _optional(row.pixel_5),
    )


def _unknown(found: Findings) -> Table:
    table = _table(
        "Classes that were never taught, and whether the probabilities hold",
        ("taught",),
        ("unknown flagged", "95 %", "known flagged", "95 %", "AUROC", "pixels' AUROC", "calibration error"),
    )
    for one in found.rounds:
        row = unknowns(one)
        table.add_row(
            one.mode.title,
            f"{percent(row.flagged.value, 1)} of {row.flagged.count}",
            interval(row.flagged),
            f"{percent(row.wrongly.value, 1)} of {row.wrongly.count}",
            interval(row.wrongly),
            f"[bold]{decimal(row.auroc)}[/bold]",
            NONE if row.pixel_auroc is None else decimal(row.pixel_auroc),
            decimal(calibration_error(bins(one))),
        )
    return table


def _stages(found: Findings) -> Table:
    table = _table(
        "Time of each stage, in the first way of teaching", ("stage",), ("median", "95th percentile")
    )
    for row in stage_times(found.rounds[0]):
        table.add_row(row.name, duration(row.median_s), duration(row.p95_s))
    table.add_section()
    table.add_row(
        "one picture, its caller waiting", duration(found.alone_median_s), duration(found.alone_p95_s)
    )
    return table


def _speed(found: Findings) -> Table:
    table = _table(
        "Throughput (Fovea keeps embeddings: from the second way on it has seen the pictures before)",
        ("taught",),
        ("exemplars", "per s", "pictures asked", "per s", "each"),
    )
    for one in found.rounds:
        taught, asked = len(one.exemplars), one.streamed
        table.add_row(
            one.mode.title,
            str(taught),
            f"{taught / one.teach_s:.0f}",
            str(asked),
            f"{asked / one.stream_s:.0f}",
            duration(one.stream_s / asked),
        )
    return table


def _table(title: str, words: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", pad_edge=False)
    for word in words:
        table.add_column(word, no_wrap=True)
    for number in numbers:
        table.add_column(number, justify="right")
    return table


def _optional(found: Share | None) -> str:
    return NONE if found is None else percent(found.value, 1)
