"""Writes the catalogue of metrics down as a table in `docs/metrics.md`, for those who watch and alert.

Run `python -m infra.metrics` after a change of `services/runtime/metrics/`.
"""

# ruff: noqa: INP001  (no package that is installed)
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from services.runtime.metrics import Metrics

PAGE: Final = Path(__file__).parent.parent / "docs" / "metrics.md"
_BEGIN, _END = "<!-- table: python -m infra.metrics -->\n", "<!-- end of table -->\n"
_AREAS: Final = {
    "rpc": "Calls",
    "events": "Events",
    "models": "Models",
    "caches": "Results kept",
    "finding": "Finding",
    "storage": "Objects",
    "memory": "Memory",
    "back_fill": "Back-fill",
    "ranking": "Ranking",
    "traces": "Traces",
    "process": "Process",
}


def declared() -> Iterator[tuple[str, MetricWrapperBase]]:
    """Yield every metric of the catalogue with its area."""
    metrics = Metrics()
    metrics.describe_process(())
    for area in _AREAS:
        for found in vars(getattr(metrics, area)).values():
            if isinstance(found, MetricWrapperBase):
                yield area, found


def name_of(metric: MetricWrapperBase) -> str:
    """Return the name that a scrape and a query have."""
    found = next(iter(metric.describe()))
    return f"{found.name}_total" if found.type == "counter" else found.name


def table() -> str:
    """Return the catalogue as a table in Markdown."""
    rows = ["| area | metric | type | labels | meaning |", "|---|---|---|---|---|"]
    for area, metric in declared():
        found = next(iter(metric.describe()))
        labels = ", ".join(f"`{label}`" for label in metric._labelnames) or "-"  # noqa: SLF001
        rows.append(
            f"| {_AREAS[area]} | `{name_of(metric)}` | {found.type} | {labels} | {found.documentation} |"
        )
    return "\n".join(rows) + "\n"


def page(text: str) -> str:
    """Return the page with its table replaced by the one of today."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{table()}{_END}{after}"


def main() -> None:
    """Write it."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
