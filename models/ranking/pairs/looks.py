"""What is kept of a crop to compare it with others, and what comparisons say of candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

CELLS: Final = 7
"""A crop is compared in so many places a side."""
PIXELS: Final = 28
"""Pixels a side that colours are compared in."""
CHANNELS: Final = 128
LOGITS: Final = "logits"
MOST_ALIKE: Final = 0.79
"""Mean cosine of different candidates' pictures that 999 of 1,000 lists of drawings did not exceed."""
EVEN: Final = 0.13
"""Variance of patches from place to place that 99 of 100 surfaces have not, and 99 of 100 drawings have."""
_RANKS: Final = np.array((0, 1, 3, 7, 15, 31, 63, 127, 255, 511))
_COARSE_RANKS: Final = np.array((0, 1, 2, 4, 8, 16, 32, 64, 100))
_MARGIN: Final = 2
"""Patches at the rim look unusual in every picture."""
_TOP: Final = 8
_SHRUNK: Final = 0.1
_LEAST: Final = np.float32(1e-3)
ODD: Final = 2 * CHANNELS + 2 * len(_RANKS) + len(_COARSE_RANKS)
_QUERY: Final = "query_"
_EXEMPLAR: Final = "exemplar_"


@dataclass(frozen=True, eq=False)
class Look:
    """One crop, 40 KB.

    What stands where says little of surfaces: cloth with a fault has it anywhere. `odd` says how unusual the
    most unusual places of the crop are among its own.

    Attributes:
        embeddings: Of fovea-global, to find pictures by.
        names: Of fovea-global, among names.
        patches: Of fovea-local for the crop as one tile, averaged in 7 x 7 places.
        odd: How much patches differ, how the most unusual do, and how unusual they are, by rank.
        pixels: The crop in 28 x 28 pixels, 0 where it is white and 1 where it is black.
    """

    embeddings: Float32[np.ndarray, "visual"]
    names: Float32[np.ndarray, "name"]
    patches: Float32[np.ndarray, "7 7 128"]
    odd: Float32[np.ndarray, "odd"]
    pixels: Float32[np.ndarray, "28 28 3"]


FIELDS: Final = tuple(each.name for each in fields(Look))


def look(
    crop: UInt8[np.ndarray, "224 224 3"],
    *,
    embeddings: Float[np.ndarray, "visual"],
    names: Float[np.ndarray, "name"],
    patches: Float[np.ndarray, "28 28 128"],
) -> Look:
    """Return what is kept of a crop.

    Args:
        crop: As the encoders get it.
        embeddings: Of fovea-global for it.
        names: Of fovea-global for it.
        patches: Of fovea-local for it as one tile.
    """
    exact = patches.astype(np.float32)
    return Look(
        embeddings=embeddings.astype(np.float32),
        names=names.astype(np.float32),
        patches=averaged(exact, CELLS),
        odd=oddness(exact),
        pixels=1 - averaged(crop.astype(np.float32), PIXELS) / np.float32(255),
    )


def averaged(image: Float32[np.ndarray, "side side c"], size: int) -> Float32[np.ndarray, "size size c"]:
    """Return an image shrunk to a side that divides its own, by means of squares."""
    step = len(image) // size
    return np.asarray(image.reshape(size, step, size, step, -1).mean((1, 3), dtype=np.float32))


def oddness(patches: Float32[np.ndarray, "28 28 128"]) -> Float32[np.ndarray, "odd"]:
    """Return how unusual the most unusual patches of a picture are, whatever it shows and wherever they are.

    Each channel's deviation; how the most unusual patches differ from the mean; distances from the mean in
    sorted order, patch by patch and in squares of four in units of each channel's deviation, and as a
    Mahalanobis distance (the RX detector, Reed and Yu 1990) with a shrunk covariance.
    """
    inner = patches[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    away = inner.reshape(-1, CHANNELS) - inner.mean((0, 1))
    spread = away.std(0)
    far = _lengths(away / (spread + _LEAST))
    covariance = away.T @ away / np.float32(len(away))
    ridge = np.float32(_SHRUNK * np.trace(covariance) / CHANNELS) + _LEAST
    root = np.linalg.cholesky(covariance + ridge * np.eye(CHANNELS, dtype=np.float32))
    whitened = away @ np.linalg.inv(root).T
    coarse = averaged(inner, len(inner) // 2).reshape(-1, CHANNELS) - inner.mean((0, 1))
    parts = [
        patches.std((0, 1)),
        away[np.argsort(-far, kind="stable")[:_TOP]].mean(0),
        -np.sort(-far)[_RANKS],
        -np.sort(-_lengths(whitened))[_RANKS],
        -np.sort(-_lengths(coarse / (coarse.std(0) + _LEAST)))[_COARSE_RANKS],
    ]
    return np.concatenate(parts).astype(np.float32)


def _lengths(rows: Float32[np.ndarray, "n c"]) -> Float32[np.ndarray, "n"]:
    """Return root mean squares."""
    return np.asarray(np.sqrt((rows**2).mean(1)))


def tensors(query: Look, exemplars: Sequence[Look]) -> dict[str, np.ndarray]:
    """Return the inputs of fovea-pairs for one query and some exemplars: one row a pair."""
    found = {}
    for name in FIELDS:
        own: np.ndarray = getattr(query, name)
        found[_QUERY + name] = np.repeat(own[None], len(exemplars), axis=0)
        found[_EXEMPLAR + name] = np.stack([getattr(each, name) for each in exemplars])
    return found


def is_familiar(exemplars: Sequence[Look], candidate: Int[np.ndarray, "exemplar"]) -> bool:
    """Whether candidates differ as those do that fovea-pairs learned to tell apart.

    Drawings that are nearly the same to the encoder, such as one person in five skin tones, are none that it
    knows: there what it says is no evidence. Surfaces are always nearly the same.

    Args:
        exemplars: Of all candidates.
        candidate: Whose each is.
    """
    if not exemplars:
        return False
    vectors = np.stack([each.embeddings for each in exemplars]).astype(np.float64)
    others = candidate[:, None] != candidate
    alike = (vectors @ vectors.T)[others]
    if not len(alike):
        return False
    uneven = np.median([each.patches.var((0, 1)).mean() for each in exemplars])
    return bool(alike.mean() <= MOST_ALIKE or uneven < EVEN)


def evidence(
    logits: Float[np.ndarray, "pair"], candidate: Int[np.ndarray, "pair"], candidates: int
) -> Float[np.ndarray, "candidate"] | None:
    """Return what the comparisons say of each candidate: log-probabilities over the candidates.

    Each picture of a candidate speaks for itself, and the likest once more. Who has more pictures than others
    gains nothing by that. One of which there is no picture is given the mean of the others: that says nothing
    for or against it.

    Args:
        logits: Of each pair; what is no number is left out.
        candidate: Whose exemplar each pair has, from 0.
        candidates: How many there are.

    Returns:
        None if fewer than two candidates have a picture that was compared.
    """
    known = np.isfinite(logits)
    owner, score = candidate[known], np.zeros(candidates)
    best = np.full(candidates, -np.inf)
    np.maximum.at(best, owner, logits[known].astype(np.float64))
    counts = np.bincount(owner, minlength=candidates)
    seen = counts > 0
    if seen.sum() < 2:  # noqa: PLR2004  (one has nothing to be compared with)
        return None
    np.add.at(score, owner, logits[known].astype(np.float64))
    typical = counts[seen].mean()  # more pictures than others have shall be no merit
    score[seen] = score[seen] / counts[seen] * typical + best[seen]
    score[~seen] = score[seen].mean()
    return np.asarray(score - np.logaddexp.reduce(score))


def checked(outputs: Mapping[str, np.ndarray], pairs: int) -> Float[np.ndarray, "pair"]:
    """Return the logits of a reply. Raises ValueError if they are not one number a pair."""
    found = outputs.get(LOGITS)
    if found is None or found.shape != (pairs, 1):
        raise ValueError(f"fovea-pairs should give {pairs} logits, and gave {getattr(found, 'shape', None)}")
    return found[:, 0].astype(np.float64)
