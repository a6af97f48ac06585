"""What segmentation needs from the world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, UInt8

from models.segmentation.imported.masks import SeenPicture
from models.vision.preparation import PreparationSettings
from services.kernel.vocabulary import ImageReference, PromptKind
from services.segmentation.domain.seen import Seen


@runtime_checkable
class ImageSource(Protocol):
    """Where the bytes of an image are."""

    def read(self, image: ImageReference) -> bytes:
        """Return the bytes that the reference's digest names. Raises NotFound, Corrupt, Unavailable."""
        ...


@runtime_checkable
class MapStore(Protocol):
    """Where maps are laid for others."""

    def put(self, image: ImageReference, data: bytes) -> tuple[str, str]:
        """Store a map of the image; return its key and the SHA-256 of its bytes. Raises Unavailable."""
        ...


@runtime_checkable
class Detector(Protocol):
    """Sees squares, and says how well texts fit what it saw; safe to use from many threads."""

    def models(self) -> tuple[str, ...]:
        """Return `name@digest` of each model that takes part, that which sees squares first."""
        ...

    def side_px(self) -> int:
        """Return the side of a square."""
        ...

    def thresholds(self) -> Mapping[PromptKind, float]:
        """Return the score above which something counts as found, by the kind of prompt."""
        ...

    def fused(self) -> frozenset[PromptKind]:
        """Return the kinds of prompts that are read together with the image; others are independent of it."""
        ...

    def look(
        self,
        squares: UInt8[np.ndarray, "n side side 3"],
        sentences: Float32[np.ndarray, "m dim"] | None = None,
    ) -> Seen:
        """Return what is in the squares.

        Args:
            squares: As `models.segmentation.prepared` draws them.
            sentences: Vectors of texts that decide together what is seen; None: of no text.

        Raises Unavailable, DeadlineExceeded.
        """
        ...

    def score(
        self,
        queries: Float32[np.ndarray, "q dim"],
        offsets: Float32[np.ndarray, "q"],
        texts: Float32[np.ndarray, "t dim"],
    ) -> Float32[np.ndarray, "q t"]:
        """Return the logit of each place of a square for each text. Raises Unavailable, DeadlineExceeded."""
        ...


@runtime_checkable
class Masker(Protocol):
    """Makes masks of boxes, for detectors that make none; safe to use from many threads."""

    def models(self) -> tuple[str, ...]:
        """Return `name@digest` of each model that takes part."""
        ...

    def see(self, picture: UInt8[np.ndarray, "h w 3"]) -> SeenPicture:
        """Return what a picture looks like, whatever box is asked. Raises Unavailable, DeadlineExceeded."""
        ...

    def masks(
        self, seen: SeenPicture, boxes: Float[np.ndarray, "box 4"]
    ) -> Float32[np.ndarray, "box rows columns"]:
        """Return the logits of the mask of each box, in cells of the square that was seen.

        Args:
            seen: Of `see`.
            boxes: Left, top, right, bottom in pixels of the picture, at least one.

        Raises Unavailable, DeadlineExceeded.
        """
        ...


@runtime_checkable
class ExemplarEncoder(Protocol):
    """Sees crops of exemplars as texts are read; safe to use from many threads."""

    def models(self) -> tuple[str, ...]:
        """Return `name@digest` of each model that takes part."""
        ...

    def preparation(self) -> PreparationSettings:
        """Return how crops are made ready for it."""
        ...

    def encode(self, crops: UInt8[np.ndarray, "n size size 3"]) -> Float32[np.ndarray, "n dim"]:
        """Return the crops' vectors among those of texts, in order. Raises Unavailable, DeadlineExceeded."""
        ...


@runtime_checkable
class FindingCounts(Protocol):
    """Counts what is looked for and what is found."""

    def asked(self, kind: str, count: int) -> None:
        """Count prompts of a kind."""
        ...

    def found(self, count: int) -> None:
        """Count the regions of one image."""
        ...
