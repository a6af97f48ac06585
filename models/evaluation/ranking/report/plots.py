"""The plot of the trust gate."""

from __future__ import annotations

from pathlib import Path

from models.evaluation.ranking.rows import EVERYTHING
from models.evaluation.ranking.suite import Results
from models.evaluation.report.plots import COLOURS, figure
from models.ranking.trust import curve


def gate(results: Results, place: Path) -> None:
    """Draw, for each row, what is right over the share of pictures that are ranked, the least sure first."""
    with figure(place, (7.6, 5.4)) as drawn:
        axes = drawn.subplots()
        lines = ("-", "--", ":", "-.")
        titles = list(dict.fromkeys(row.asked.title for row in results.rows))
        seen: dict[str, int] = {}
        for row in results.rows:
            if EVERYTHING not in row.ways:
                continue
            points = curve(row.outcomes())
            number = seen[row.asked.title] = seen.get(row.asked.title, -1) + 1
            axes.plot(
                [100 * each.asked for each in points],
                [100 * each.accuracy for each in points],
                lines[number % len(lines)],
                color=COLOURS[titles.index(row.asked.title) % len(COLOURS)],
                label=row.asked.name,
            )
        axes.set(xlim=(0, 100), xlabel="ranked, % of the pictures", ylabel="right, %")
        drawn.legend(loc="outside lower center", ncols=2, fontsize=8)
