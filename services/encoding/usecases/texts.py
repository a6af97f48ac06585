"""Texts to embeddings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from services.encoding.usecases.stages import Stages
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.texts import KnownTexts, TextEncoder
from services.kernel.validation import checked_text
from services.kernel.vocabulary import Embedding, Stage


@dataclass(frozen=True)
class EncodedTexts:
    """The embedding of each text, in order, and the record of how they came about."""

    embeddings: tuple[Embedding, ...]
    stage: Stage


class Readers:
    """The encoders of texts, side by side, each with a space of its own.

    Args:
        first: Is asked where nobody names a space that is served.
        others: Are asked for their spaces only.
    """

    def __init__(self, first: TextEncoder, *others: TextEncoder) -> None:
        self._encoders = (first, *others)

    @property
    def first(self) -> TextEncoder:
        """The one that is asked where nobody names a space that is served."""
        return self._encoders[0]

    def all(self) -> tuple[TextEncoder, ...]:
        """Return all of them."""
        return self._encoders

    def chosen(self, spaces: Collection[str]) -> tuple[TextEncoder, ...]:
        """Return who serves one of these spaces; if nobody does, the first."""
        return tuple(each for each in self._encoders if each.space() in spaces) or self._encoders[:1]

    def named(self, space: str) -> TextEncoder:
        """Return who serves a space, the first for none. Raises InvalidInput if nobody does."""
        for each in self._encoders:
            if space in {"", each.space()}:
                return each
        raise InvalidInput(
            f"texts are not encoded into {space[:80]} here, but into "
            f"{', '.join(each.space() for each in self._encoders)}: see FOVEA_MORE_TEXT_MODELS",
            field="space",
            reason="SPACE_NOT_SERVED",
        )

    def encoders(self) -> Mapping[str, str]:
        """Return `name@digest` of whoever serves each space. Raises Unavailable if one is away."""
        return {each.space(): each.models()[0] for each in self._encoders}


class EncodeTexts:
    """Gives each text an embedding in one space, those used last without asking the model.

    Args:
        readers: Read texts.
        known: Has them read, each once.
        stages: Makes the record.
    """

    def __init__(self, readers: Readers, known: KnownTexts, stages: Stages) -> None:
        self._readers = readers
        self._known = known
        self._stages = stages

    def __call__(self, texts: Sequence[str], *, space: str = "") -> EncodedTexts:
        """Return the embeddings of the texts, in order.

        Args:
            texts: To be read.
            space: To encode into; empty: that of the first encoder.

        Raises:
            InvalidInput: A text is empty, too long or not printable; the field says which. Or nobody serves
                the space.
            DeadlineExceeded, Unavailable: The model is not to be had.
        """
        started = self._stages.clock()
        encoder = self._readers.named(space)
        models = encoder.models()
        checked = [
            checked_text(text, field=f"texts[{index}]", most=LIMITS.text_characters)
            for index, text in enumerate(texts)
        ]
        found = self._known(encoder, checked)
        return EncodedTexts(tuple(found), self._stages.ended(started, models))
