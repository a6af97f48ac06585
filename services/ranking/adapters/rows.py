"""Prompts as the tensors of the language model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from models.ranking.pieces import Control, Prompt, Text
from services.ranking.adapters.described import Tokens


@dataclass(frozen=True, eq=False)
class Row:
    """One prompt behind which the next token is read.

    Attributes:
        ids: Tokens; any number where a token of the image stands.
        places: Which token of the image stands there, else -1.
        choices: The tokens whose probability is wanted behind the last one.
    """

    ids: Int64[np.ndarray, "t"]
    places: Int64[np.ndarray, "t"]
    choices: tuple[int, ...]


def row_of(prompt: Prompt, tokens: Tokens, image_tokens: int, choices: Sequence[int]) -> Row:
    """Return the prompt as tokens."""
    ids: list[int] = []
    places: list[int] = []
    for piece in prompt:
        if isinstance(piece, Text):
            found: Sequence[int] = tokens.encode(piece.text)
        elif isinstance(piece, Control):
            found = (tokens.control(piece.token),)
        else:
            ids += [0] * image_tokens
            places += range(image_tokens)
            continue
        ids += found
        places += [-1] * len(found)
    return Row(np.asarray(ids, dtype=np.int64), np.asarray(places, dtype=np.int64), tuple(choices))


def batches(rows: Sequence[Row], most_tokens: int) -> Iterator[Sequence[int]]:
    """Yield the places of rows that go through the model together, in order.

    All together are as long as the longest times their number: at most `most_tokens`, if one alone is not.
    """
    batch: list[int] = []
    longest = 0
    for place, row in enumerate(rows):
        longest = max(longest, len(row.ids))
        if batch and longest * (len(batch) + 1) > most_tokens:
            yield batch
            batch, longest = [], len(row.ids)
        batch.append(place)
    if batch:
        yield batch


def laid_out(rows: Sequence[Row], image_tokens: Float32[np.ndarray, "b v dim"]) -> Mapping[str, np.ndarray]:
    """Return the tensors of rows; shorter ones are filled behind with tokens that see themselves alone."""
    lengths = np.asarray([len(row.ids) for row in rows])
    longest, most = int(lengths.max()), max(len(row.choices) for row in rows)
    here = np.arange(longest)
    real = here < lengths[:, None]  # (b, t)
    earlier = here[:, None] >= here  # (t, t)
    mask = (earlier & real[:, None, :] & real[:, :, None]) | np.eye(longest, dtype=bool)
    return {
        "input_ids": np.stack([_filled(row.ids, longest, 0) for row in rows]),
        "positions": np.where(real, here, 0).astype(np.int64),
        "mask": mask,
        "image_tokens": image_tokens,
        "image_places": np.stack([_filled(row.places, longest, -1) for row in rows]),
        "reads": (lengths - 1).astype(np.int64)[:, None],
        "choices": np.asarray([[_padded(row.choices, most)] for row in rows], dtype=np.int64),
    }


def _filled(values: Int64[np.ndarray, "t"], length: int, filling: int) -> Int64[np.ndarray, "n"]:
    return np.pad(values, (0, length - len(values)), constant_values=filling)


def _padded(choices: tuple[int, ...], count: int) -> tuple[int, ...]:
    return choices + choices[:1] * (count - len(choices))
