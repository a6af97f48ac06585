"""Solves for the matrices of the global encoder: no step size, no epoch, the same result from the same rows.

Each is in closed form what contrastive training descends to: drawings of one thing by several artists, and
random views of them, shall be near each other and far from drawings of other things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float, Float32, Int

HALF_TONE = 3.5
"""Length of a skin tone that counts half."""
_ROUNDS = 3
_SPARE = 32


@dataclass(frozen=True, eq=False)
class Affine:
    """What takes rows x to (x - offset) @ weight."""

    offset: Float[np.ndarray, "into"]
    weight: Float[np.ndarray, "into out"]

    def __call__(self, rows: Float[np.ndarray, "n into"]) -> Float32[np.ndarray, "n out"]:
        """Return the projected rows."""
        return np.asarray((rows.astype(np.float32) - self.offset) @ self.weight, dtype=np.float32)


def principal(rows: Float[np.ndarray, "n into"], count: int, *, seed: int) -> Affine:
    """Return the projection to the directions in which rows differ most, at a mean squared length of 1.

    Source: randomised subspace iteration, Halko, Martinsson and Tropp, arXiv 0909.4061.

    Args:
        rows: More than `count` of them.
        count: Directions, fewer than numbers in a row or as many.
        seed: Of the first guess.
    """
    offset = rows.mean(0, dtype=np.float64).astype(np.float32)
    centred = rows.astype(np.float32) - offset
    wide = min(count + _SPARE, centred.shape[1])
    basis = np.random.default_rng(seed).standard_normal((centred.shape[1], wide)).astype(np.float32)
    for _ in range(_ROUNDS):
        basis, _ = np.linalg.qr(centred.T @ (centred @ basis))
    _, _, turned = np.linalg.svd(centred @ basis, full_matrices=False)
    directions = basis @ turned[:count].T
    energy = float((centred.astype(np.float64) ** 2).sum() / len(centred))
    return Affine(offset, _signed(directions) / np.float32(np.sqrt(energy)))


def discriminant(
    rows: Float[np.ndarray, "n into"],
    classes: Int[np.ndarray, "n"],
    *,
    count: int,
    ridge: float,
    power: float = 0.5,
) -> Affine:
    """Return the projection in which classes differ most against how their own rows differ.

    Source: linear discriminant analysis (Fisher 1936, Rao 1948), here as a metric: directions are weighted by
    how much of what is seen in them is between classes.

    Args:
        rows: At least two classes of them.
        classes: Of each row.
        count: Directions.
        ridge: Share of the mean variance that is added to the variance within classes.
        power: Of the weights e / (1 + e), where e is the variance between classes in units of that within; 0
            weighs all directions alike.
    """
    offset = rows.mean(0, dtype=np.float64).astype(np.float32)
    centred = rows.astype(np.float32) - offset
    means, place = class_means(centred, classes)
    within = _covariance(centred - means[place])
    within += ridge * np.trace(within) / len(within) * np.eye(len(within))
    between = _covariance(means - means.mean(0))
    last = len(within) - 1
    values, vectors = scipy.linalg.eigh(between, within, subset_by_index=[last - count + 1, last])
    weights = np.maximum(values[::-1], 0)
    weights = (weights / (1 + weights)) ** power
    return Affine(offset, _signed(vectors[:, ::-1]).astype(np.float32) * weights.astype(np.float32))


def class_means(
    rows: Float[np.ndarray, "n dim"], classes: Int[np.ndarray, "n"]
) -> tuple[Float32[np.ndarray, "class dim"], Int[np.ndarray, "n"]]:
    """Return the mean of each class, by rising class, and at which place each row's class stands."""
    _, place, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    order = np.argsort(place, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sums = np.add.reduceat(rows[order].astype(np.float32), starts, axis=0)
    return (sums / sizes[:, None]).astype(np.float32), place


@dataclass(frozen=True, eq=False)
class Exemplars:
    """Kernel ridge regression from texts to where pictures of them are.

    Attributes:
        anchors: Embeddings of known texts, unit norm.
        coefficients: Of each anchor.
        mean: Taken off pictures and exemplars alike.
    """

    anchors: Float32[np.ndarray, "anchor text"]
    coefficients: Float32[np.ndarray, "anchor dim"]
    mean: Float32[np.ndarray, "dim"]


def exemplars(
    texts: Float[np.ndarray, "n text"],
    targets: Float[np.ndarray, "n dim"],
    weights: Float[np.ndarray, "n"],
    *,
    sharpness: float,
    ridge: float,
) -> Exemplars:
    """Return the regression from texts to targets.

    Args:
        texts: Unit norm. Rows that are equal count once, with the weighted mean of their targets.
        targets: Where the pictures are.
        weights: How far each is trusted; 1 for one good picture or class.
        sharpness: Of the kernel exp(-sharpness * squared distance).
        ridge: Added to the kernel's diagonal, over the weight.
    """
    mean = np.average(targets, axis=0, weights=weights).astype(np.float32)
    anchors, place = np.unique(texts.astype(np.float32), axis=0, return_inverse=True)
    place = place.reshape(-1)
    trust = np.bincount(place, weights=weights)
    sums = np.zeros((len(anchors), targets.shape[1]), dtype=np.float64)
    np.add.at(sums, place, weights[:, None] * (targets - mean))
    kernel = np.exp(2 * sharpness * (anchors @ anchors.T - 1))
    kernel[np.diag_indices(len(anchors))] += ridge / trust
    wanted = (sums / trust[:, None]).astype(np.float32)
    solved = scipy.linalg.solve(kernel, wanted, assume_a="pos", overwrite_a=True)
    return Exemplars(anchors, solved.astype(np.float32), mean)


def gated(rows: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, "n dim"]:
    """Return skin tones as `network.gated` does: of about length 1, of about none if they were short."""
    squared = (rows**2).sum(1, keepdims=True)
    return np.asarray(rows * squared * np.sqrt(squared) / (squared**2 + HALF_TONE**4))


def unit(rows: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, "n dim"]:
    """Return rows of length 1; a row of zeros stays zero."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def codes(names: Sequence[str] | np.ndarray) -> Int[np.ndarray, "n"]:
    """Return a number for each name, equal for equal names."""
    return np.unique(np.asarray(names), return_inverse=True)[1].reshape(-1)


def _covariance(rows: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, "dim dim"]:
    return np.asarray((rows.T @ rows).astype(np.float64) / len(rows))


def _signed(vectors: Float[np.ndarray, "into out"]) -> Float[np.ndarray, "into out"]:
    """Return the vectors, each with its largest number positive, whatever sign the solver gave."""
    largest = np.abs(vectors).argmax(0)
    return np.asarray(vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])]))
