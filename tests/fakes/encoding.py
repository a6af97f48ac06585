"""Small stand-ins for what encoding needs: they see, read and wait without models or clocks."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float32, UInt8

from models.vision.local_encoder.reading import FeatureMaps
from models.vision.preparation import DEFAULTS, PreparationSettings
from services.encoding.domain import TileShape
from services.kernel.errors import DeadlineExceeded, NotFound, Unavailable
from services.kernel.vectors import Vectors
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
    sides_px: set[int] = field(default_factory=set)

    def models(self) -> tuple[str, ...]:
        return self.identities

    def spaces(self) -> tuple[str, ...]:
        return (self.space, NAME_SPACE)

    def preparation(self) -> PreparationSettings:
        return DEFAULTS

    def encode(self, crops: UInt8[np.ndarray, "n size size 3"]) -> tuple[Vectors, ...]:
        self.batches.append(len(crops))
        self.sides_px.add(crops.shape[1])
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
    sides_px: set[int] = field(default_factory=set)
    away: bool = False
    settings: PreparationSettings = DEFAULTS

    def models(self) -> tuple[str, ...]:
        if self.away:
            raise Unavailable("it is dark")
        return ("darkness@1",)

    def spaces(self) -> tuple[str, ...]:
        return (self.space,)

    def preparation(self) -> PreparationSettings:
        return self.settings

    def encode(self, crops: UInt8[np.ndarray, "n size size 3"]) -> tuple[Vectors, ...]:
        self.batches.append(len(crops))
        self.sides_px.add(crops.shape[1])
        dark = crops.mean(axis=(1, 2, 3)) / 255 + 0.1
        return (Vectors(unit_rows(np.stack([dark, 1 - dark / 2], axis=1)), "darkness@1", self.space),)


@dataclass
class HashingTextEncoder:
    """Knows a text by its SHA-256; `before` runs ahead of each forward pass."""

    before: Callable[[], None] = _nothing
    identity: str = "letters@1"
    own_space: str = NAME_SPACE
    templates: tuple[str, ...] = ()
    batches: list[tuple[str, ...]] = field(default_factory=list)

    def models(self) -> tuple[str, ...]:
        return (self.identity,)

    def space(self) -> str:
        return self.own_space

    def name_templates(self) -> tuple[str, ...]:
        return self.templates

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(tuple(texts))
        self.before()
        digests = [np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.uint8) for text in texts]
        return Vectors(unit_rows(np.stack(digests) + 1.0), self.identity, self.own_space)


@dataclass
class PaintedMapEncoder:
    """Sees the mean colour of each cell of a tile, and reads the mean of a region's points.

    A tile is 64 pixels wide, and 4 x 4 vectors; `before` runs ahead of each forward pass.
    """

    before: Callable[[], None] = _nothing
    identities: tuple[str, ...] = ("painting@1", "pointing@1")
    batches: list[int] = field(default_factory=list)
    readings: list[int] = field(default_factory=list)

    def map_models(self) -> tuple[str, ...]:
        return self.identities[:1]

    def models(self) -> tuple[str, ...]:
        return self.identities

    def spaces(self) -> tuple[str, ...]:
        return (VISUAL_SPACE,)

    def tile(self) -> TileShape:
        return TileShape(side_px=64, rows=4, columns=4)

    def see(self, tiles: UInt8[np.ndarray, "n side side 3"]) -> Float32[np.ndarray, "n h w dim"]:
        self.batches.append(len(tiles))
        self.before()
        cells: np.ndarray = tiles.reshape(-1, 4, 16, 4, 16, 3).mean(axis=(2, 4))
        return cells.astype(np.float32)

    def read(self, seen: FeatureMaps, points: Float32[np.ndarray, "n point 3"]) -> tuple[Vectors, ...]:
        self.readings.append(len(points))
        height, width = seen.local.shape[:2]
        columns = np.minimum(points[..., 0] * width, width - 1).astype(int)
        rows = np.minimum(points[..., 1] * height, height - 1).astype(int)
        inside = points[..., 2:]
        means = (seen.local[rows, columns] * inside).sum(axis=1) / inside.sum(axis=1)
        return (Vectors(unit_rows(means + 1), "colours@1", VISUAL_SPACE),)


@dataclass
class InMemoryMaps:
    """Maps by key."""

    maps: dict[str, bytes] = field(default_factory=dict)

    def put(self, image: ImageReference, data: bytes) -> tuple[str, str]:
        digest = hashlib.sha256(data).hexdigest()
        key = f"{image.key.partition('/')[0]}/{digest}"
        self.maps[key] = data
        return key, digest


@dataclass
class Counted:
    """Counts outcomes."""

    outcomes: Counter[str] = field(default_factory=Counter)

    def count(self, outcome: str) -> None:
        self.outcomes[outcome] += 1


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
