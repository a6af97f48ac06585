"""Rows of unequal length as one batch for the graph, and what it answers taken apart again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, Shaped

from models.ranking.tree import NOWHERE, Row


def tensors(
    rows: Sequence[Row], image_tokens: Float32[np.ndarray, "b v dim"]
) -> dict[str, Shaped[np.ndarray, "b ..."]]:
    """Return the graph's inputs by name; rows are filled up behind with tokens that see themselves alone.

    Raises:
        ValueError: There is no row, or not one image for each.
    """
    if not rows:
        raise ValueError("there are no rows")
    if len(image_tokens) != len(rows):
        raise ValueError(f"{len(rows)} rows for tokens of {len(image_tokens)} images")
    longest = max(row.size for row in rows)
    reads = max(len(row.reads) for row in rows)
    choices = max(row.choices.shape[1] for row in rows)
    mask = np.tile(np.eye(longest, dtype=np.bool_), (len(rows), 1, 1))  # (b, t, t)
    for row, own in zip(rows, mask, strict=True):
        own[: row.size, : row.size] = row.mask
    return {
        "input_ids": np.stack([_filled(row.input_ids, (longest,), 0) for row in rows]),
        "positions": np.stack([_filled(row.positions, (longest,), 0) for row in rows]),
        "mask": mask,
        "image_tokens": image_tokens,
        "image_places": np.stack([_filled(row.image_places, (longest,), NOWHERE) for row in rows]),
        "reads": np.stack([_filled(row.reads, (reads,), 0) for row in rows]),
        "choices": np.stack([_filled(row.choices, (reads, choices), 0) for row in rows]),
    }


def answers(rows: Sequence[Row], log_probabilities: np.ndarray) -> list[Float[np.ndarray, "r c"]]:
    """Return what was read in each row, without what it was filled up with.

    An output that is no such tensor of numbers becomes NaN: then nothing was read.
    """
    least = (len(rows), max(len(row.reads) for row in rows), max(row.choices.shape[1] for row in rows))
    output = np.asarray(log_probabilities)
    if output.dtype.kind != "f" or output.ndim != len(least) or output.shape != least:
        output = np.full(least, np.nan)
    return [
        np.asarray(own[: len(row.reads), : row.choices.shape[1]], np.float64)
        for row, own in zip(rows, output, strict=True)
    ]


def _filled(
    array: Shaped[np.ndarray, "..."], shape: tuple[int, ...], value: int
) -> Shaped[np.ndarray, "..."]:
    whole = np.full(shape, value, array.dtype)
    whole[tuple(slice(0, size) for size in array.shape)] = array
    return whole
