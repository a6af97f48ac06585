"""Models that read texts: what they say of themselves, and how they are asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.text.tokenizer import Tokenizer
from services.kernel.vectors import Vectors
from services.runtime.model_execution.embeddings import embeddings_of, same_models, vectors_of
from services.runtime.model_execution.folder import ModelFolder
from services.runtime.model_execution.ports import ModelExecution


@dataclass(frozen=True)
class Reading:
    """How texts become tokens, and in which sentences names are read: both as the model was made.

    Attributes:
        name: A model from INT64 `input_ids` and `attention_mask` to FP32 embeddings.
        tokenizer: The one that it was made with.
        output: Which embeddings.
        space: Where they lie.
        name_templates: Each with `{}` for the name; none: it is read as it is.
    """

    name: str
    tokenizer: Tokenizer
    output: str
    space: str
    name_templates: tuple[str, ...] = ()


def reading(name: str, folder: ModelFolder) -> Reading:
    """Return how a model reads texts.

    Raises:
        NotFound: Its tokenizer is not there.
        Unsupported: None of its outputs says which space it lies in.
    """
    described = folder.description
    texts = {} if described.texts is None else described.texts.model_dump()
    tokenizer = Tokenizer.from_file(folder.external("tokenizer"), **texts)
    output = embeddings_of(described, axes=2)[0]
    return Reading(name, tokenizer, output.name, output.space, described.name_templates)


class ModelTextEncoder:
    """Sends the tokens of texts to one model.

    Args:
        models: Runs it.
        reading: How it is asked.
    """

    def __init__(self, models: ModelExecution, reading: Reading) -> None:
        self._models = models
        self._reading = reading

    def models(self) -> tuple[str, ...]:
        """Return the model's identity."""
        return (self._models.identity(self._reading.name),)

    def space(self) -> str:
        """Return the space that texts are encoded into."""
        return self._reading.space

    def name_templates(self) -> tuple[str, ...]:
        """Return the sentences that a name is read in."""
        return self._reading.name_templates

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return where the texts lie."""
        (encoder,) = self.models()
        reply = self._models.run(self._reading.name, self._reading.tokenizer(texts).tensors())
        same_models((encoder,), self.models())
        (found,) = vectors_of(reply, {self._reading.output: self._reading.space}, encoder)
        return found
