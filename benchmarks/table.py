"""Results as text: aligned columns, one table a benchmark."""

from __future__ import annotations

from collections.abc import Sequence

_GAP = "  "


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return lines in which the first column leans left and all others right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    return "\n".join(_line(row, widths) for row in (head, *rows))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.rjust(width) if i else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return _GAP.join((first, *rest)).rstrip()


def milliseconds(seconds: float) -> str:
    """Return `14.32`."""
    return f"{1e3 * seconds:.2f}"


def megabytes(count: float) -> str:
    """Return `1,024 MB`, in millions of bytes."""
    return f"{count / 1e6:,.0f} MB"
