"""Exemplars to what the memory keeps them by."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from services.encoding import domain
from services.encoding.domain import RegionReading
from services.encoding.usecases.eyes import Eyes
from services.encoding.usecases.readings import Embeddings
from services.encoding.usecases.regions import EncodeRegions
from services.encoding.usecases.texts import EncodeTexts, Readers
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.regions import whole_image
from services.kernel.texts import TextEncoder
from services.kernel.validation import checked_text
from services.kernel.vocabulary import Embedding, EncodedExemplar, Exemplar, ExemplarKind


class EncodeExemplar:
    """Gives an exemplar the embeddings that the memory keeps it by.

    An image is kept by what it looks like alone, cut out whichever way queries are read: what an encoder
    guesses of its name is worth less than the label that it comes with. A name is read in each of its
    model's templates, if there are any.
    """

    def __init__(self, regions: EncodeRegions, texts: EncodeTexts, eyes: Eyes, readers: Readers) -> None:
        self._regions = regions
        self._texts = texts
        self._eyes = eyes
        self._readers = readers

    def __call__(self, exemplar: Exemplar, *, spaces: Collection[str] = ()) -> EncodedExemplar:
        """Return the exemplar with its embeddings.

        Args:
            exemplar: A picture, or a text.
            spaces: Into which it is encoded; empty, or none of them served: that of the first encoder.

        Raises:
            InvalidInput: Its image or text is missing or wrong.
            NotFound, Corrupt, DeadlineExceeded, Unavailable: The image or a model is not to be had.
        """
        if exemplar.kind is ExemplarKind.IMAGE:
            looks = self._eyes.looks()
            wanted = [space for space in looks if space in spaces] or looks[:1]
            return EncodedExemplar(exemplar, self._seen(exemplar, wanted))
        text = checked_text(exemplar.text, field="text", most=LIMITS.text_characters)
        named = exemplar.kind is ExemplarKind.NAME
        read = (self._read(text, each, named=named) for each in self._readers.chosen(spaces))
        return EncodedExemplar(exemplar, tuple(read))

    def completed(self, encoded: EncodedExemplar, *, spaces: Collection[str]) -> EncodedExemplar:
        """Return a picture's exemplar with the embeddings that it lacks; those that it has stay as they are.

        Raises:
            InvalidInput: A space is not served here, or its image is missing or wrong.
            NotFound, Corrupt, DeadlineExceeded, Unavailable: The image or a model is not to be had.
        """
        having = {each.space for each in encoded.embeddings}
        lacking = [space for space in spaces if space not in having]
        if strange := sorted({*lacking} - {*self._eyes.looks()}):
            raise InvalidInput(
                f"pictures are not encoded into {', '.join(strange)} here, but into "
                f"{', '.join(self._eyes.looks())}: see FOVEA_MORE_IMAGE_MODELS",
                field="spaces",
                reason="SPACE_NOT_SERVED",
            )
        if not lacking or encoded.exemplar.kind is not ExemplarKind.IMAGE:
            return encoded
        found = self._seen(encoded.exemplar, lacking)
        return replace(encoded, embeddings=(*encoded.embeddings, *found))

    def _read(self, text: str, reader: TextEncoder, *, named: bool) -> Embedding:
        templates = reader.name_templates() if named else ()
        sentences = [template.replace("{}", text) for template in templates] or [text]
        return domain.ensemble(self._texts(sentences, space=reader.space()).embeddings)

    def _seen(self, exemplar: Exemplar, spaces: Collection[str]) -> Embeddings:
        if exemplar.image is None:
            raise InvalidInput(
                "image is missing from an image exemplar", field="image", reason="IMAGE_MISSING"
            )
        region = exemplar.region or whole_image(exemplar.image)
        found = self._regions(exemplar.image, [region], spaces=spaces, reading=RegionReading.CROP)
        (encoded,) = found.regions
        return encoded.embeddings
