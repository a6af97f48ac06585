"""Small stand-ins for what encoding needs: they see, read and wait without models or clocks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float32, UInt8

from services.encoding.domain import Vectors
from services.kernel.errors import DeadlineExceeded, NotFound, Unavailable
from services.kernel.vocabulary import NAME_SPACE, VISUAL_SPACE, ImageReference


def _nothing() -> None:
    """Let everything pass."""


def unit_rows(rows: Float[np.ndarray, "n dim"]) -> Float32[np.ndarray, "n dim"]:
    unit: np.ndarray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


@dataclass
class InMemoryImages:
    """Images by key; counts how often each was read."""

    images: Mapping[str, bytes]
    reads: list[str] = field(default_factory=list)

    def read(self, image: ImageReference) -> bytes:
        self.reads.append(image.key)
        try:
            return self.images[image.key]
        except KeyError:
            raise NotFound(f"there is no object {image.key}") from None


@dataclass
class MeanColourEncoder:
    """Sees nothing but the mean colour; `before` runs ahead of each forward pass."""

    before: Callable[[], None] = _nothing
    identities: tuple[str, ...] = ("colours@1", "bridge@1")
    space: str = VISUAL_SPACE
    batches: list[int] = field(default_factory=list)

    def models(self) -> tuple[str, ...]:
        return self.identities

    def spaces(self) -> tuple[str, ...]:
        return (self.space, NAME_SPACE)

    def encode(self, crops: UInt8[np.ndarray, "n size size 3"]) -> tuple[Vectors, ...]:
        self.batches.append(len(crops))
        self.before()
        rows = unit_rows(crops.mean(axis=(1, 2)) + 1)  # (n, 3)
        return (
            Vectors(rows, self.identities[0], self.space),
            Vectors(rows[:, ::-1].copy(), self.identities[1], NAME_SPACE),
        )


@dataclass
class DarknessEncoder:
    """Sees how dark the crops are, and nothing else."""

    space: str = "dark"
    batches: list[int] = field(default_factory=list)
    away: bool = False

    def models(self) -> tuple[str, ...]:
        if self.away:
            raise Unavailable("it is dark")
        return ("darkness@1",)

    def spaces(self) -> tuple[str, ...]:
        return (self.space,)

    def encode(self, crops: UInt8[np.ndarray, "n size size 3"]) -> tuple[Vectors, ...]:
        self.batches.append(len(crops))
        dark = crops.mean(axis=(1, 2, 3)) / 255 + 0.1
        return (Vectors(unit_rows(np.stack([dark, 1 - dark / 2], axis=1)), "darkness@1", self.space),)


@dataclass
class HashingTextEncoder:
    """Knows a text by its SHA-256; `before` runs ahead of each forward pass."""

    before: Callable[[], None] = _nothing
    batches: list[tuple[str, ...]] = field(default_factory=list)

    def models(self) -> tuple[str, ...]:
        return ("letters@1",)

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(tuple(texts))
        self.before()
        digests = [np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.uint8) for text in texts]
        return Vectors(unit_rows(np.stack(digests) + 1.0), "letters@1", NAME_SPACE)


@dataclass
class GivenTime:
    """A caller who waits `left_s` seconds, or gave up already."""

    left_s: float | None = None
    given_up: bool = False

    def remaining_s(self) -> float | None:
        return self.left_s

    def check(self) -> None:
        if self.given_up:
            raise DeadlineExceeded("the caller cancelled")
