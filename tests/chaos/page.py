"""The figures of the experiments in docs/reliability.md: a block each, between two marks."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.chaos.experiment import Experiment, Figures, Size

PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"
_HEAD: Final = (
    "| fault | faults | handed in | lost | doubled | wrong | dead letters | works again after |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|\n"
)


def update(experiment: Experiment, found: Sequence[Figures], size: Size, page: Path = PAGE) -> None:
    """Put the figures in place of the last ones of the same experiment."""
    text = page.read_text(encoding="utf-8")
    now = dt.datetime.now(dt.UTC)
    page.write_text(updated(text, experiment, found, f"{now:%Y-%m-%d}, {size.value} form"), encoding="utf-8")


def updated(text: str, experiment: Experiment, found: Sequence[Figures], when: str) -> str:
    """Return the page with one experiment's block replaced.

    Raises:
        ValueError: The page has no place for it.
    """
    begin, end = f"<!-- {experiment.name}: make chaos -->\n", f"<!-- end of {experiment.name} -->\n"
    block = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not block.search(text):
        raise ValueError(f"docs/reliability.md has no place for {experiment.name}: add {begin + end}")
    rows = "".join(map(_row, found))
    notes = "".join(f"\n{figures.note}\n" for figures in found if figures.note)
    measured = f"\n*Measured {when}.*\n"
    return block.sub(lambda _: f"{begin}{experiment.promise}\n\n{_HEAD}{rows}{notes}{measured}{end}", text)


def _row(figures: Figures) -> str:
    counts = (
        figures.injected,
        figures.handed_in,
        figures.lost,
        figures.doubled,
        figures.wrong,
        figures.dead,
    )
    recovery = "nothing stopped" if figures.recovery_s is None else f"{figures.recovery_s:.1f} s"
    return f"| {figures.fault} | {' | '.join(f'{count:,}' for count in counts)} | {recovery} |\n"
