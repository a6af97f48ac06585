"""Prompts to the vectors that they are looked for by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32

from services.kernel.crops import crops, mask_digest
from services.kernel.errors import InvalidInput, NotFound
from services.kernel.pictures import decoded
from services.kernel.regions import whole_image
from services.kernel.sharing import Once
from services.kernel.texts import KnownTexts, TextEncoder
from services.kernel.vocabulary import Box, ExemplarPicture, Prompt, PromptKind, Region
from services.segmentation.domain import finding
from services.segmentation.ports import ExemplarEncoder, ImageSource

_TEXT_OF: Final = attrgetter("text")
Rows = Float32[np.ndarray, "t dim"]
Row = Float32[np.ndarray, "dim"]


class ExemplarKey(NamedTuple):
    """What an exemplar looks like depends on this alone."""

    models: tuple[str, ...]
    image_digest: str
    box: Box
    mask_digest: str


StackKey = tuple[tuple[str, ...], tuple[str | ExemplarKey, ...]]
"""The models, and what each row is of."""


class Exemplars:
    """Sees the pictures of exemplars, those used last without asking the model.

    Args:
        images: Where the pictures are.
        encoder: Sees them.
        once: Shares and keeps the vectors.
    """

    def __init__(self, images: ImageSource, encoder: ExemplarEncoder, once: Once[ExemplarKey, Row]) -> None:
        self._images = images
        self._encoder = encoder
        self._once = once

    def models(self) -> tuple[str, ...]:
        """Return the models that take part."""
        return self._encoder.models()

    def key(self, picture: ExemplarPicture, *, field: str) -> ExemplarKey:
        """Return what the picture's vector is kept by. Raises InvalidInput if its mask has no pixel."""
        region = _part(picture)
        if region.mask is not None and not any(region.mask.counts[1::2]):
            raise InvalidInput(
                f"{field}: the exemplar's mask holds no pixel", field=field, reason="MASK_EMPTY"
            )
        return ExemplarKey(self.models(), picture.image.digest, region.box, mask_digest(region.mask))

    def __call__(self, pictures: Sequence[ExemplarPicture], fields: Sequence[str]) -> list[Row]:
        """Return the vector of each picture, in order.

        Args:
            pictures: What is looked for.
            fields: What each is called in the request, for errors.

        Raises:
            InvalidInput: A picture is none, or its region does not fit it.
            NotFound: It is gone.
        """
        keys = [self.key(picture, field=field) for picture, field in zip(pictures, fields, strict=True)]
        known = dict(zip(keys, zip(pictures, fields, strict=True), strict=True))
        return self._once(keys, lambda missing: [self._vector(*known[key]) for key in missing])

    def _vector(self, picture: ExemplarPicture, field: str) -> Row:
        try:
            pixels = decoded(self._images.read(picture.image), picture.image)
            squares = crops(pixels, [_part(picture)], self._encoder.preparation())
        except (InvalidInput, NotFound) as error:
            raise type(error)(f"{field}: {error.message}", field=field, reason=error.reason) from error
        vector: Row = self._encoder.encode(squares)[0].copy()
        return vector


@dataclass(frozen=True)
class PromptVectors:
    """Gives prompts their vectors.

    Args:
        reader: Reads texts.
        known: Has them read, each once.
        exemplars: Sees pictures; None: they cannot be looked for.
        stacks: Keeps vectors that were asked for together, so that a long list costs no more than a look.
    """

    reader: TextEncoder
    known: KnownTexts
    exemplars: Exemplars | None
    stacks: Once[StackKey, Rows]

    def models(self, prompts: Sequence[Prompt]) -> tuple[str, ...]:
        """Return `name@digest` of each model that takes part for these prompts."""
        kinds = finding.kinds(prompts)
        found = self.reader.models() if kinds - {PromptKind.EXEMPLAR} else ()
        return found + (self.exemplars.models() if self.exemplars and PromptKind.EXEMPLAR in kinds else ())

    def __call__(self, prompts: Sequence[Prompt], places: Sequence[int]) -> Rows:
        """Return the vectors of the prompts at these places, in order.

        Raises:
            InvalidInput, NotFound: An exemplar's picture is not there or no picture; the field says which.
            DeadlineExceeded, Unavailable: A model is not to be had.
        """
        asked = list(map(prompts.__getitem__, places))
        keys: tuple[str | ExemplarKey, ...] = tuple(map(_TEXT_OF, asked))
        if PromptKind.EXEMPLAR in finding.kinds(asked):
            keys = tuple(
                self._key(prompt, place) if prompt.kind is PromptKind.EXEMPLAR else prompt.text
                for prompt, place in zip(asked, places, strict=True)
            )
        (rows,) = self.stacks([(self.reader.models(), keys)], lambda _: [self._stacked(prompts, places)])
        return rows

    def _key(self, prompt: Prompt, place: int) -> ExemplarKey:
        return self._seer(place).key(_picture(prompt, place), field=_field(place))

    def _stacked(self, prompts: Sequence[Prompt], places: Sequence[int]) -> Rows:
        pictured = [place for place in places if prompts[place].kind is PromptKind.EXEMPLAR]
        read = [place for place in places if prompts[place].kind is not PromptKind.EXEMPLAR]
        found: dict[int, Row] = {}
        if read:
            texts = self.known(self.reader, [prompts[place].text for place in read])
            found |= {place: text.vector for place, text in zip(read, texts, strict=True)}
        if pictured:
            pictures = [_picture(prompts[place], place) for place in pictured]
            rows = self._seer(pictured[0])(pictures, [_field(place) for place in pictured])
            found |= dict(zip(pictured, rows, strict=True))
        return np.stack([found[place] for place in places])

    def _seer(self, place: int) -> Exemplars:
        if self.exemplars is None:
            raise InvalidInput(
                f"{_field(place)}: this detector looks for texts alone",
                field=_field(place),
                reason="EXEMPLARS_NOT_SERVED",
            )
        return self.exemplars


def _part(picture: ExemplarPicture) -> Region:
    return whole_image(picture.image) if picture.region is None else picture.region


def _picture(prompt: Prompt, place: int) -> ExemplarPicture:
    if prompt.picture is None:
        raise InvalidInput(
            f"{_field(place)} comes without the picture of the exemplar",
            field=_field(place),
            reason="EXEMPLAR_WITHOUT_PICTURE",
        )
    return prompt.picture


def _field(place: int) -> str:
    return f"prompts[{place}].exemplar_id"
