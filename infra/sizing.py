"""Says what a memory of a hundred million or a billion exemplars takes on Milvus; writes `docs/sizing.md`.

Run `python -m infra.sizing` after a change of an assumption, or of the tables' form. The page shows the
arithmetic with its results, and a test holds the page against it.
"""

# ruff: noqa: INP001  (no package that is installed)
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from infra.milvus_plan import HOURS, INDEXES, Assumptions, Exemplars, Plan, plans

PAGE: Final = Path(__file__).parent.parent / "docs" / "sizing.md"
_BEGIN, _END = "<!-- tables: python -m infra.sizing -->\n", "<!-- end of tables -->\n"


def tables() -> str:
    """Return the arithmetic and its results as Markdown."""
    return "\n".join([*_rows_shown(), *_indexes_shown(), *_assumed(), *_plans_shown()]) + "\n"


def page(text: str) -> str:
    """Return the page with its tables replaced by those of today."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{tables()}{_END}{after}"


def main() -> None:
    """Write it."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def _rows_shown() -> Iterator[str]:
    kept = Exemplars(1)
    yield from ("## One exemplar", "", "| what | bytes | how |", "|---|---|---|")
    shared = f"owner {kept.owner} + id {kept.exemplar_id} + moments {kept.moments}"
    yield f"| primary key | {kept.row_id} | owner {kept.owner} + id {kept.exemplar_id} + 18 |"
    yield f"| vector | {kept.vector:,} | {kept.dim} x 4 |"
    yield (
        f"| row of a vector | {kept.row_of_vector:,} | key {kept.row_id} + {shared} + attributes "
        f"{kept.attributes} + vector {kept.vector:,} |"
    )
    yield (
        f"| row of the exemplar | {kept.row_of_exemplar:,} | key {kept.row_id} + {shared} + label "
        f"{kept.label} + record {kept.record} + tables 70 + 8 |"
    )
    yield ""


def _indexes_shown() -> Iterator[str]:
    dim = Exemplars(1).dim
    yield from (
        f"## Indexes, d = {dim}, bytes a vector",
        "",
        "| index | memory | disk | how |",
        "|---|---|---|---|",
    )
    for name, index in INDEXES.items():
        yield f"| `{name}` | {index.memory(dim):,.0f} | {index.disk(dim):,.0f} | {index.shown} |"
    yield ""


def _assumed() -> Iterator[str]:
    given = Assumptions()
    yield from ("## Assumed", "", "| what | value |", "|---|---|")
    yield (
        f"| a query node | {given.node_cores} cores, {given.node_memory_gb:.0f} GB, NVMe "
        f"{given.node_disk_gb:.0f} GB, ${given.node_hour:.2f} an hour |"
    )
    yield f"| filled to | {given.filled:.0%} |"
    yield f"| copies in query nodes | {given.copies} |"
    yield f"| other nodes | 4 cores, 16 GB, ${given.service_hour:.2f} an hour; 5, and 2 a shard, at least 4 |"
    yield f"| rows of a shard, at most | {given.rows_a_shard:,} |"
    yield (
        f"| object store | ${given.stored_month} a gigabyte and month; {given.stored_factor:.0f} x what is "
        "alive |"
    )
    yield f"| writing | {given.rows_a_second:,} rows a second |"
    yield f"| testing one column of one row | {given.column_ns:.0f} ns of one core |"
    yield f"| a month | {HOURS:.0f} hours |"
    yield ""


_COLUMNS: Final[Sequence[tuple[str, Callable[[Plan], str]]]] = (
    ("memory of one copy", lambda plan: f"{plan.memory_gb:,.0f} GB"),
    ("NVMe of one copy", lambda plan: f"{plan.disk_gb:,.0f} GB"),
    ("query nodes", lambda plan: f"{plan.query_nodes}"),
    ("other nodes", lambda plan: f"{plan.service_nodes}"),
    ("shards a table", lambda plan: f"{plan.shards}"),
    ("object store", lambda plan: f"{plan.stored_gb / 1000:,.1f} TB"),
    ("nodes, a month", lambda plan: f"${plan.nodes_month:,.0f}"),
    ("object store, a month", lambda plan: f"${plan.stored_monthly:,.0f}"),
    ("bringing a snapshot in", lambda plan: f"{plan.import_h:,.1f} h"),
    ("filter of one query, all in one collection", lambda plan: f"{plan.filter_core_s:,.1f} core s"),
    ("queries a second that half the cores filter", lambda plan: f"{plan.most_queries_a_second:,.0f}"),
)


def _plans_shown() -> Iterator[str]:
    for exponent in (8, 9):
        found = plans(10**exponent)
        yield from (f"## 10^{exponent} exemplars", "", f"| | {' | '.join(f'`{name}`' for name in found)} |")
        yield "|---" * (len(found) + 1) + "|"
        for title, shown in _COLUMNS:
            yield f"| {title} | {' | '.join(shown(plan) for plan in found.values())} |"
        yield ""


if __name__ == "__main__":
    main()
