"""Draws a few pictures of each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int


class TooFew(ValueError):
    """A class has fewer pictures than are to be drawn of each."""


def few_shot(labels: Sequence[str], *, shots: int, seed: int) -> Int[np.ndarray, "class shots"]:
    """Return the places of `shots` pictures of every class, classes in order of their labels.

    With the same seed, the first n columns of a larger draw are the smaller draw: more shots only add.

    Raises:
        TooFew: Naming the classes that have fewer.
    """
    if shots < 1:
        raise TooFew(f"{shots} shots are none")
    names, group = np.unique(np.asarray(labels), return_inverse=True)
    counts = np.bincount(group, minlength=len(names))
    short = [f"{name} ({count})" for name, count in zip(names, counts, strict=True) if count < shots]
    if short or not len(names):
        raise TooFew(f"fewer than {shots} pictures: {', '.join(short[:5]) or 'there is no class'}")
    drawn = np.random.default_rng(seed)
    places = [drawn.permutation(np.flatnonzero(group == number))[:shots] for number in range(len(names))]
    return np.stack(places)
