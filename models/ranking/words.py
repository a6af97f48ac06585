"""Whether a region has of a candidate's name what the candidate's own pictures have of it.

Retrieval compares pictures with pictures; what the candidates are called is knowledge that it leaves out. A
cosine between a picture and a name says little by itself, for some names are near to every picture. So each
name is asked how much nearer to it the region is than the candidate's own pictures are: where the region is
another thing that only looks like them, it falls short of their name.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float, Int

TEMPERATURE: Final = 0.093
"""Of the votes by name that ship; what a cosine counts as."""
ALIKE_NAMES: Final = 0.75
ALIKE_PICTURES: Final = 0.9
"""Mean cosines of different candidates, above which nothing is said: of lists of training one in a hundred is
above, all lists of skin tones are."""
_LEAST: Final = 2
"""Candidates to be compared: one says nothing."""


def evidence(
    region: Float[np.ndarray, "dim"],
    exemplars: Float[np.ndarray, "exemplar dim"],
    candidate: Int[np.ndarray, "exemplar"],
    names: Float[np.ndarray, "candidate dim"],
) -> Float[np.ndarray, "candidate"] | None:
    """Return what the candidates' names say of them: log-probabilities over the candidates.

    A candidate without a picture, or whose name was not read, is given the mean of the others: that says
    nothing for or against it.

    Args:
        region: Among names, unit norm.
        exemplars: Pictures of the candidates, among names, unit norm; what is no number is left out.
        candidate: Whose picture each is, from 0.
        names: Of the candidates, a unit-norm row each; a row with anything but numbers was not read.

    Returns:
        None if the region was not seen, if fewer than two candidates have a name and a picture, or if names
        are so alike that no picture tells them apart.
    """
    counts, sums = np.zeros(len(names)), np.zeros(names.shape)
    seen = np.isfinite(exemplars).all(1)
    np.add.at(counts, candidate[seen], 1)
    np.add.at(sums, candidate[seen], exemplars[seen].astype(np.float64))
    read = np.isfinite(names).all(1)
    known = read & (counts > 0)
    if known.sum() < _LEAST or not np.isfinite(region).all():
        return None
    means = sums[known] / counts[known, None]
    if _alike(names[known]) > ALIKE_NAMES or _alike(means) > ALIKE_PICTURES:
        return None
    score = np.zeros(len(names))
    score[known] = ((region - means) * names[known]).sum(1) / TEMPERATURE
    score[~known] = score[known].mean()
    return np.asarray(score - np.logaddexp.reduce(score))


def _alike(rows: Float[np.ndarray, "n dim"]) -> float:
    """Return the mean cosine of different rows."""
    units = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    total = units.sum(0)
    return float((total @ total - len(units)) / (len(units) * (len(units) - 1)))
