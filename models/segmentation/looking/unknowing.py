"""Texts as they would be read if development names had never been learned.

The text encoder that ships knows every development name: whoever fits how far to believe it on scenes with
those names believes it too far. So their texts, and others that say as much, are taken out of its kernel
regression: with G the inverse of the kernel and its ridge, what is left of the coefficients C of all other
texts when the texts S go is C - G[:, S] G[S, S]^-1 C[S], as if it had been solved without them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
import scipy.linalg
from jaxtyping import Bool, Float, Float32, Int
from onnx import numpy_helper

from models.bridge.export import class_names
from models.data.splits import words
from models.export import GRAPH, HALVED, STORE
from models.vision.global_encoder.data import Picture, learned, pictures
from models.vision.global_encoder.export import TEXT
from models.vision.global_encoder.fitting import unit
from models.vision.global_encoder.knowledge import each_name
from models.vision.global_encoder.recipe import Recipe
from models.vision.local_encoder.cutouts import is_development

_SAME: Final = 0.9999
"""Cosine of texts that are one text; batches round differently."""
_BLOCK: Final = 2048

Read = Callable[[Sequence[str]], np.ndarray]
"""Reads texts with the encoder that ships."""


@dataclass(frozen=True)
class _Said:
    """A text that was learned, how far it is trusted, and whether it tells of a development name."""

    text: str
    weight: float
    forgotten: bool


def forgetting(read: Read) -> Read:
    """Return what reads texts as if no development name had been learned. Raises NotFetched, DataError."""
    recipe = Recipe()
    graph = onnx.load_model(STORE / TEXT / "1" / GRAPH, load_external_data=False).graph
    kept = {each.name.removesuffix(HALVED): each for each in graph.initializer}
    anchors, transposed = (
        numpy_helper.to_array(kept[name]).astype(np.float64) for name in ("anchors", "coefficients")
    )
    anchors, coefficients = unit(anchors), transposed.T
    exemplars = coefficients.shape[1]
    said = list(_said(recipe))
    texts = _sentences(read([each.text for each in said]), exemplars)
    trust, gone = _placed(said, texts, anchors)
    kernel = _kernel(anchors, anchors, recipe)
    kernel[np.diag_indices(len(anchors))] += recipe.text_ridge / trust
    left = without(kernel, coefficients, np.flatnonzero(gone))

    def unknowing(asked: Sequence[str]) -> np.ndarray:
        sentences = _sentences(read(asked), exemplars)
        expected = unit(_kernel(sentences, anchors, recipe) @ left)
        return unit(np.concatenate([expected, sentences], axis=1)).astype(np.float32)

    return unknowing


def without(
    kernel: Float[np.ndarray, "n n"], coefficients: Float[np.ndarray, "n dim"], gone: Int[np.ndarray, "k"]
) -> Float[np.ndarray, "n dim"]:
    """Return what ridge regression would have solved for without some of its texts; theirs become zero.

    Args:
        kernel: Of the texts, with the ridge on its diagonal.
        coefficients: That were solved with all of them.
        gone: Which texts.
    """
    columns = np.zeros((len(kernel), len(gone)))
    columns[gone, np.arange(len(gone))] = 1
    inverse = scipy.linalg.solve(kernel, columns, assume_a="pos")  # (n, k)
    left: np.ndarray = coefficients - inverse @ np.linalg.solve(inverse[gone], coefficients[gone])
    left[gone] = 0
    return left


def _said(recipe: Recipe) -> Iterator[_Said]:
    """Yield every text that the encoder that ships has learned, as its recipe says them."""
    own = learned(pictures(), None)
    first: dict[str, Picture] = {}
    sharing: defaultdict[str, set[str]] = defaultdict(set)
    for one in own:
        if one.thing and not one.tone:
            first.setdefault(one.thing, one)
    names = [words(one.label) for thing, one in first.items() if is_development(thing)]

    def tells(text: str) -> bool:
        return any(name <= words(text) for name in names if name)

    for thing, one in first.items():
        yield from (_Said(text, 1.0, is_development(thing) or tells(text)) for text in one.texts)
        for keyword in one.keywords:
            sharing[keyword].add(thing)
    for keyword, things in sharing.items():
        if len(things) <= recipe.keyword_classes:
            yield _Said(keyword, recipe.keyword_weight, tells(keyword))
    yield from (_Said(one.label, recipe.clipart_weight, tells(one.label)) for one in own if not one.thing)
    yield from (_Said(name, recipe.knowledge_weight, forgotten=False) for name in each_name(class_names())[0])


def _placed(
    said: Sequence[_Said], texts: Float[np.ndarray, "n width"], anchors: Float[np.ndarray, "m width"]
) -> tuple[Float[np.ndarray, "m"], Bool[np.ndarray, "m"]]:
    """Return how far each anchor is trusted, and which tell of a development name."""
    trust, gone = np.zeros(len(anchors)), np.zeros(len(anchors), dtype=np.bool_)
    for start in range(0, len(texts), _BLOCK):
        same = texts[start : start + _BLOCK] @ anchors.T > _SAME  # (block, m)
        some = said[start : start + _BLOCK]
        shares = same / np.maximum(same.sum(axis=1, keepdims=True), 1)
        trust += np.array([each.weight for each in some]) @ shares
        gone |= same[[each.forgotten for each in some]].any(axis=0)
    return np.maximum(trust, trust[trust > 0].min()), gone


def _sentences(vectors: Float32[np.ndarray, "n dim"], exemplars: int) -> Float[np.ndarray, "n width"]:
    """Return the part of texts' vectors that is what was read, behind what pictures are expected to be."""
    return np.asarray(unit(vectors[:, exemplars:].astype(np.float64)))


def _kernel(
    texts: Float[np.ndarray, "n width"], anchors: Float[np.ndarray, "m width"], recipe: Recipe
) -> Float[np.ndarray, "n m"]:
    return np.asarray(np.exp(2 * recipe.sharpness * (texts @ anchors.T - 1)))
