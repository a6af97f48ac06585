"""Image and text encoders over whatever runs models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8

from models.text.tokenizer import Tokenizer
from services.encoding.domain import Vectors
from services.kernel.errors import Unavailable
from services.kernel.vocabulary import NAME_SPACE, VISUAL_SPACE
from services.runtime.model_execution.ports import ModelExecution


class ModelImageEncoder:
    """Sends crops to one model, and its logits over a bridge into the space of names.

    Args:
        models: Runs them.
        name: A model from UINT8 `crops` to FP32 `embeddings` and `logits`.
        bridge: A model from those `logits` to FP32 `embeddings`.
        space: Where the looks lie.
    """

    def __init__(self, models: ModelExecution, *, name: str, bridge: str, space: str = VISUAL_SPACE) -> None:
        self._models = models
        self._name = name
        self._bridge = bridge
        self._space = space

    def models(self) -> tuple[str, ...]:
        """Return the identities of encoder and bridge."""
        return (self._models.identity(self._name), self._models.identity(self._bridge))

    def spaces(self) -> tuple[str, ...]:
        """Return the space of looks and that of names."""
        return (self._space, NAME_SPACE)

    def encode(self, crops: UInt8[np.ndarray, "n size size 3"]) -> tuple[Vectors, ...]:
        """Return what the crops look like, and where names for them lie."""
        encoder, bridge = self.models()
        seen = self._models.run(self._name, {"crops": crops})
        named = self._models.run(self._bridge, {"logits": seen["logits"]})
        _same((encoder, bridge), self.models())
        return (
            _vectors(seen, encoder, self._space),
            _vectors(named, bridge, NAME_SPACE),
        )


class ModelLookEncoder:
    """Sends crops to one model, for nothing but what they look like to it.

    Args:
        models: Runs it.
        name: A model from UINT8 `crops` to FP32 `embeddings`.
        space: Where they lie.
    """

    def __init__(self, models: ModelExecution, *, name: str, space: str) -> None:
        self._models = models
        self._name = name
        self._space = space

    def models(self) -> tuple[str, ...]:
        """Return the model's identity."""
        return (self._models.identity(self._name),)

    def spaces(self) -> tuple[str, ...]:
        """Return the one space."""
        return (self._space,)

    def encode(self, crops: UInt8[np.ndarray, "n size size 3"]) -> tuple[Vectors, ...]:
        """Return what the crops look like."""
        (encoder,) = self.models()
        seen = self._models.run(self._name, {"crops": crops})
        _same((encoder,), self.models())
        return (_vectors(seen, encoder, self._space),)


class ModelTextEncoder:
    """Sends the tokens of texts to one model.

    Args:
        models: Runs it.
        name: A model from INT64 `input_ids` and `attention_mask` to FP32 `embeddings`.
        tokenizer: The one that the model was made with.
    """

    def __init__(self, models: ModelExecution, *, name: str, tokenizer: Tokenizer) -> None:
        self._models = models
        self._name = name
        self._tokenizer = tokenizer

    def models(self) -> tuple[str, ...]:
        """Return the model's identity."""
        return (self._models.identity(self._name),)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return where the texts lie among names."""
        (encoder,) = self.models()
        reply = self._models.run(self._name, self._tokenizer(texts).tensors())
        _same((encoder,), self.models())
        return _vectors(reply, encoder, NAME_SPACE)


def _same(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    """Raise Unavailable if models were changed meanwhile: nobody knows which of them it was that ran."""
    if before != after:
        raise Unavailable(f"{', '.join(before)} gave way to {', '.join(after)}", reason="MODEL_CHANGED")


def _vectors(reply: Mapping[str, np.ndarray], encoder: str, space: str) -> Vectors:
    return Vectors(reply["embeddings"], encoder=encoder, space=space)
