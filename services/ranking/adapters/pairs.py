"""Whether a region looks like the candidates' own pictures, pair by pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float64, Int, UInt8

from models.ranking.pairs.looks import Look, checked, evidence, is_familiar, look, tensors
from services.kernel.crops import crops
from services.kernel.errors import DeadlineExceeded, FoveaError
from services.kernel.regions import whole_image
from services.kernel.sharing import Once
from services.kernel.vocabulary import Box, ImageReference, Region, RegionOrigin
from services.ranking.adapters.described import PATCHES, Described
from services.ranking.domain.asking import Shown
from services.runtime import deadline
from services.runtime.model_execution.ports import ModelExecution

LOOK_BYTES: Final = 41_000
MOST_PAIRS: Final = 64
"""Pairs of one forward pass."""
_AT_ONCE: Final = 4
"""Pictures seen in one forward pass."""


class LookKey(NamedTuple):
    """What a look depends on."""

    key: str
    box: Box | None
    models: tuple[str, ...]


@dataclass(frozen=True)
class Kept:
    """What was seen of a picture; None: it cannot be seen now."""

    look: Look | None


Looks = Once[LookKey, Kept]


@dataclass(frozen=True, eq=False)
class Pictured:
    """What is seen of the candidates' own pictures.

    Attributes:
        looks: Of those that could be seen.
        owner: Whose each is.
        whole: Whether all could.
    """

    looks: Sequence[Look]
    owner: Int[np.ndarray, "picture"]
    whole: bool


class Comparisons:
    """Compares a crop with exemplars' pictures, each of which is seen once while it is kept.

    Args:
        models: Runs them.
        described: Which they are.
        looks: Shares and keeps what was seen.
    """

    def __init__(self, models: ModelExecution, described: Described, looks: Looks) -> None:
        self._models = models
        self._described = described
        self._looks = looks

    def models(self) -> tuple[str, ...]:
        """Return the identities of those that see and of that which compares."""
        ordering = self._described.ordering
        names = (self._described.sight.name, ordering.local_model, ordering.pairs_model)
        return tuple(map(self._models.identity, names))

    def look(self, square: UInt8[np.ndarray, "size size 3"]) -> Look:
        """Return what is seen of a crop."""
        (found,) = self._seen([square])
        return found

    def pictured(self, exemplars: Sequence[Sequence[Shown]]) -> Pictured:
        """Return what is seen of the pictures of each candidate. Raises DeadlineExceeded."""
        owners = [place for place, some in enumerate(exemplars) for _ in some]
        kept = self._kept([each for some in exemplars for each in some])
        known = [(place, each.look) for place, each in zip(owners, kept, strict=True) if each.look]
        owner = np.asarray([place for place, _ in known], dtype=np.intp)
        return Pictured([each for _, each in known], owner, len(known) == len(owners))

    def __call__(self, query: Look, pictured: Pictured, candidates: int) -> Float64[np.ndarray, "k"] | None:
        """Return what the pictures say of each candidate.

        Args:
            query: What is seen of the region.
            pictured: What is seen of the candidates' pictures.
            candidates: How many there are.

        Returns:
            Log-probabilities; None if fewer than two candidates have a picture, if all pictures look nearly
            the same.

        Raises:
            DeadlineExceeded: Time ran out.
        """
        if not is_familiar(pictured.looks, pictured.owner):
            return None
        logits = self._compared(query, pictured.looks)
        found = evidence(logits, pictured.owner, candidates)
        return None if found is None else np.asarray(found, dtype=np.float64)

    def _kept(self, shown: Sequence[Shown]) -> list[Kept]:
        """Return what is seen of each picture, a few at a time, so that what was seen in time is kept."""
        models = self.models()[:-1]
        keys = [LookKey(each.key, each.box, models) for each in shown]
        by_key = dict(zip(keys, shown, strict=True))
        found: list[Kept] = []
        for start in range(0, len(keys), _AT_ONCE):
            deadline.check()
            some = keys[start : start + _AT_ONCE]
            found += self._looks(some, lambda missing: self._new([by_key[key] for key in missing]))
        return found

    def _new(self, shown: Sequence[Shown]) -> list[Kept]:
        squares = [self._square(each) for each in shown]
        seen = self._seen([each for each in squares if each is not None])
        return [Kept(None if square is None else next(seen)) for square in squares]

    def _square(self, shown: Shown) -> UInt8[np.ndarray, "size size 3"] | None:
        square: UInt8[np.ndarray, "size size 3"]
        try:
            pixels = shown.pixels()
            height_px, width_px = pixels.shape[:2]
            whole = whole_image(ImageReference("", "", "", 0, width_px, height_px))
            region = whole if shown.box is None else Region("0", shown.box, RegionOrigin.CALLER)
            (square,) = crops(pixels, [region], self._described.sight.preparation)
        except DeadlineExceeded:
            raise
        except FoveaError:  # it is gone, or no picture: the others speak without it
            return None
        return square

    def _seen(self, squares: Sequence[UInt8[np.ndarray, "size size 3"]]) -> Iterator[Look]:
        if not squares:
            return
        batch = np.stack(squares)
        seen = self._models.run(self._described.sight.name, {"crops": batch})
        local = self._models.run(self._described.ordering.local_model, {"tiles": batch})[PATCHES]
        for place, square in enumerate(squares):
            yield look(
                square,
                embeddings=seen["embeddings"][place],
                names=seen["names"][place],
                patches=local[place],
            )

    def _compared(self, query: Look, looks: Sequence[Look]) -> Float64[np.ndarray, "pair"]:
        logits = [np.zeros(0)]
        for start in range(0, len(looks), MOST_PAIRS):
            deadline.check()
            some = looks[start : start + MOST_PAIRS]
            reply: Mapping[str, np.ndarray] = self._models.run(
                self._described.ordering.pairs_model, tensors(query, some)
            )
            logits.append(checked(reply, len(some)))
        return np.concatenate(logits)
