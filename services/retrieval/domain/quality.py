"""How much of what was to be found was found."""

from __future__ import annotations

from collections.abc import Sequence

from services.retrieval.domain.voting import Hit


def recall_at(k: int, found: Sequence[Hit], truth: Sequence[Hit]) -> float | None:
    """Return which share of the true nearest `k` was found; None if there is nothing to find.

    What is as near as the last of them counts as well: of equally near ones no answer is the right one.

    Args:
        k: How many count; if fewer are true, those.
        found: Nearest first.
        truth: Nearest first, every vector having been compared.
    """
    true = truth[:k]
    if not true:
        return None
    least = true[-1].similarity
    return sum(hit.similarity >= least for hit in found[: len(true)]) / len(true)
