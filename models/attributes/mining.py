"""Hard negatives: for each picture the most similar wrong classes (Finedefics, step 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from models.attributes.records import DescriptionRecord, Sheet


def hard_negatives(
    similarity: Float[np.ndarray, "image label"],
    truth: Int[np.ndarray, "image"],
    *,
    most: int = 3,
    seed: int = 0,
) -> list[list[int]]:
    """Return for each picture the classes that are most similar to it and wrong, the most similar first.

    Equally similar ones come in an order that the seed alone decides. NaN is less similar than all else.

    Args:
        similarity: Of each picture to each class, any monotone measure.
        truth: The place of each picture's class.
        most: How many; fewer where there are no more wrong classes.
        seed: Of the order of equals.
    """
    images, labels = similarity.shape
    if most < 1:
        raise ValueError(f"most is {most}; it must be positive")
    if len(truth) and not (truth.min() >= 0 and truth.max() < labels):
        raise ValueError(f"truth names classes outside 0 to {labels - 1}")
    tie = np.random.default_rng(seed).permutation(labels)
    wrong = np.where(np.isnan(similarity), -np.inf, similarity)  # (image, label)
    order = np.lexsort((np.broadcast_to(tie, wrong.shape), -wrong), axis=1)  # (image, label)
    return [[place for place in row if place != truth[i]][:most] for i, row in enumerate(order.tolist())][
        :images
    ]


def prototypes(
    embeddings: Float[np.ndarray, "image dim"], truth: Int[np.ndarray, "image"], labels: int
) -> Float[np.ndarray, "label dim"]:
    """Return the mean direction of each class's pictures; zero where it has none."""
    sums = np.zeros((labels, embeddings.shape[1]), np.float64)
    np.add.at(sums, truth, embeddings)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    return sums / np.where(norms > 0, norms, 1.0)  # (label, dim)


def negative_descriptions(
    sheet: Sheet, negatives: Mapping[str, Sequence[str]], *, seed: int = 0
) -> Mapping[str, list[tuple[str, str]]]:
    """Return for each picture its hard negatives' labels, each with the description of one of its pictures.

    Which picture is drawn by the seed and the picture's digest; a class without such is described as a class.

    Args:
        sheet: Has the descriptions.
        negatives: Labels, by the digest of the picture.
        seed: Of the drawing.
    """
    of_label: dict[str, list[str]] = {}
    as_class: dict[str, str] = {}
    for each in sheet.of(DescriptionRecord):
        if each.image:
            of_label.setdefault(each.label, []).append(each.text)
        else:
            as_class[each.label] = each.text
    drawn: dict[str, list[tuple[str, str]]] = {}
    for image, labels in negatives.items():
        random = np.random.default_rng([seed, int(image[:15] or "0", 16)])
        drawn[image] = [
            (
                label,
                texts[int(random.integers(len(texts)))]
                if (texts := of_label.get(label))
                else as_class.get(label, ""),
            )
            for label in labels
        ]
    return drawn
