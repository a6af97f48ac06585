"""A language model that likes some names more than others, as models under names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

import numpy as np

from services.ranking.adapters.described import Described, letter_tokens
from services.runtime.model_execution.crops import Sight
from services.runtime.model_execution.tables import Ordering
from tests.fakes.models import FunctionModels, Tensors

CONTROLS = ("<|im_start|>", "<|im_end|>")
IMAGE_TOKENS = 2
_LETTERS = {f" {letter}": 1000 + i for i, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}


class Characters:
    """A token a character, and one for a letter behind a blank where that is all."""

    def encode(self, text: str) -> tuple[int, ...]:
        return (_LETTERS[text],) if text in _LETTERS else tuple(2000 + ord(each) for each in text)

    def control(self, name: str) -> int:
        return 10 + CONTROLS.index(name)


def text_of(ids: np.ndarray) -> str:
    """What tokens say, special ones and the image left out."""
    return "".join(chr(each - 2000) for each in ids.tolist() if each >= 2000)


def taste(liked: Mapping[str, float], tensors: Tensors) -> Tensors:
    """Read each asked place: the letter of a name, and each character of it, is as likely as it is liked."""
    ids, masks = tensors["input_ids"], tensors["mask"]
    found = np.full((*tensors["reads"].shape, tensors["choices"].shape[-1]), -30.0, dtype=np.float32)
    for row, reads in enumerate(tensors["reads"]):
        for read, place in enumerate(reads):
            path = text_of(ids[row, masks[row, place]])
            choices = tensors["choices"][row, read].tolist()
            shown = re.findall(r"\n([A-Z])\. ([^\n:]*)", path)
            if shown:
                for letter, name in shown:
                    token = _LETTERS[f" {letter}"]
                    if token in choices:
                        found[row, read, choices.index(token)] = liked.get(name, -5.0)
            else:
                behind = path.partition("assistant\n")[2]
                best = max((liked[name] for name in liked if name.startswith(behind)), default=-5.0)
                found[row, read, 0] = best
    return {"log_probabilities": found}


def _seen(tensors: Tensors) -> Tensors:
    colours = tensors["crops"].mean(axis=(1, 2)).astype(np.float32)
    return {"embeddings": colours / 255, "names": colours}


def _projected(tensors: Tensors) -> Tensors:
    return {"tokens": np.repeat(tensors["embeddings"][:, np.newaxis], IMAGE_TOKENS, axis=1)}


def language_models(liked: Mapping[str, float]) -> FunctionModels:
    """The three models."""
    return FunctionModels({"eye": _seen, "projector": _projected, "ranker": partial(taste, liked)})


def described(*, mode: str = "letters", row_tokens: int = 2048) -> Described:
    """How they are asked."""
    ordering = Ordering.model_validate(
        {"projector": "projector", "image_model": "eye", "mode": mode, "row_tokens": row_tokens}
    )
    return Described(
        ranker="ranker",
        ordering=ordering,
        tokens=Characters(),
        sight=Sight("eye", {"embeddings": "visual", "names": "name"}),
        seen={"embeddings": "embeddings"},
        letters=letter_tokens(Characters()),
        image_tokens=IMAGE_TOKENS,
    )
