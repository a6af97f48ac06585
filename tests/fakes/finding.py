"""Small stand-ins for what segmentation needs: they see painted colours and read their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float, Float32, UInt8

from models.segmentation.imported.masks import SeenPicture
from models.segmentation.prepared import whole
from models.vision.preparation import DEFAULTS, PreparationSettings
from services.kernel.vectors import Vectors
from services.kernel.vocabulary import NAME_SPACE, PromptKind
from services.segmentation.domain.seen import Seen
from tests.fakes.encoding import unit_rows

COLOURS: Final = ("red", "green", "blue")
CALIBRATED: Final[Mapping[PromptKind, float]] = MappingProxyType(
    {
        PromptKind.NAME: 0.5,
        PromptKind.PHRASE: 0.6,
        PromptKind.SENTENCE: 0.7,
        PromptKind.EXEMPLAR: 0.4,
    }
)
SIDE_PX: Final = 96
_CELLS: Final = 24
_SURE: Final = 10.0


def _nothing() -> None:
    """Let everything pass."""


def _painted(pixels: UInt8[np.ndarray, "h w 3"]) -> np.ndarray:
    """Return which pixels have each of the colours, (3, h, w)."""
    strong = pixels.astype(int) * 2 - pixels.sum(axis=2, keepdims=True, dtype=int)
    return np.moveaxis(strong > 100, 2, 0)


@dataclass
class PaintedDetector:
    """Sees the three colours, each as one thing, and is very sure of it; `before` runs ahead of each pass.

    A text is answered by the colours that are in its vector. Without masks it sees boxes alone. `related` is
    what relations add to every phrase at the place of each colour.
    """

    before: Callable[[], None] = _nothing
    identities: tuple[str, ...] = ("painted@1", "scored@1")
    masks: bool = True
    together: frozenset[PromptKind] = frozenset({PromptKind.PHRASE, PromptKind.SENTENCE})
    related: tuple[float, float, float] = (0.0, 0.0, 0.0)
    passes: list[tuple[int, int]] = field(default_factory=list)
    scored: list[int] = field(default_factory=list)

    def models(self) -> tuple[str, ...]:
        return self.identities

    def side_px(self) -> int:
        return SIDE_PX

    def thresholds(self) -> Mapping[PromptKind, float]:
        return CALIBRATED

    def fused(self) -> frozenset[PromptKind]:
        return self.together

    def look(
        self,
        squares: UInt8[np.ndarray, "n side side 3"],
        sentences: Float32[np.ndarray, "m dim"] | None = None,
    ) -> Seen:
        self.passes.append((len(squares), 0 if sentences is None else len(sentences)))
        self.before()
        painted = np.stack([_painted(square) for square in squares])  # (n, 3, side, side)
        step = SIDE_PX // _CELLS
        cells = painted.reshape(len(squares), 3, _CELLS, step, _CELLS, step).mean(axis=(3, 5))
        queries = np.zeros((len(squares), 3, 4), dtype=np.float32)
        queries[:, range(3), range(3)] = 2 * _SURE
        texts = np.zeros((1, 4), dtype=np.float32) if sentences is None else sentences
        there = painted.any(axis=(2, 3))
        return Seen(
            queries=queries,
            offsets=np.full((len(squares), 3), -_SURE, dtype=np.float32),
            boxes=np.array([[_box(each) for each in square] for square in painted], dtype=np.float32),
            objectness=np.where(there, _SURE, -_SURE).astype(np.float32),
            mask_queries=np.tile(np.eye(3, dtype=np.float32), (len(squares), 1, 1))[
                :, :, : 3 if self.masks else 0
            ],
            mask_features=((cells - 0.5) * 20).astype(np.float32)[:, : 3 if self.masks else 0],
            texts=np.repeat(texts[np.newaxis], len(squares), axis=0),
            relations=np.tile(
                np.array(self.related, np.float32)[:, np.newaxis], (len(squares), 1, len(texts))
            ),
        )

    def score(
        self,
        queries: Float32[np.ndarray, "q dim"],
        offsets: Float32[np.ndarray, "q"],
        texts: Float32[np.ndarray, "t dim"],
    ) -> Float32[np.ndarray, "q t"]:
        self.scored.append(len(texts))
        logits: np.ndarray = queries @ texts.T + offsets[:, np.newaxis]
        return logits


def _box(painted: np.ndarray) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(painted.any(axis=1)), np.flatnonzero(painted.any(axis=0))
    if not len(rows):
        return (0.0, 0.0, 0.0, 0.0)
    edges = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    left, top, right, bottom = (float(edge) / SIDE_PX for edge in edges)
    return (left, top, right, bottom)


@dataclass
class ColourReader:
    """Reads which colours a text names; `before` runs ahead of each forward pass."""

    before: Callable[[], None] = _nothing
    batches: list[tuple[str, ...]] = field(default_factory=list)

    def models(self) -> tuple[str, ...]:
        return ("colour-reader@1",)

    def space(self) -> str:
        return NAME_SPACE

    def name_templates(self) -> tuple[str, ...]:
        return ()

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(tuple(texts))
        self.before()
        rows = np.array([[float(colour in text) for colour in COLOURS] + [0.1] for text in texts])
        return Vectors(unit_rows(rows), "colour-reader@1", NAME_SPACE)


@dataclass
class ColourSeer:
    """Sees which colours a crop has, among texts that name them."""

    batches: list[int] = field(default_factory=list)

    def models(self) -> tuple[str, ...]:
        return ("colour-seer@1",)

    def preparation(self) -> PreparationSettings:
        return DEFAULTS

    def encode(self, crops: UInt8[np.ndarray, "n size size 3"]) -> Float32[np.ndarray, "n dim"]:
        self.batches.append(len(crops))
        shares = np.stack([_painted(crop).mean(axis=(1, 2)) for crop in crops])  # (n, 3)
        return unit_rows(np.concatenate([shares, np.full((len(crops), 1), 0.1)], axis=1))


@dataclass
class HalfMasker:
    """Takes the left half of each box for the thing."""

    seen: list[tuple[int, ...]] = field(default_factory=list)

    def models(self) -> tuple[str, ...]:
        return ("halves@1",)

    def see(self, picture: UInt8[np.ndarray, "h w 3"]) -> SeenPicture:
        self.seen.append(picture.shape[:2])
        return SeenPicture(whole(picture.shape[1], picture.shape[0], side_px=SIDE_PX), {})

    def masks(
        self, seen: SeenPicture, boxes: Float[np.ndarray, "box 4"]
    ) -> Float32[np.ndarray, "box rows columns"]:
        cells = seen.square.to_square(boxes) * SIDE_PX
        found = np.full((len(boxes), SIDE_PX, SIDE_PX), -_SURE, dtype=np.float32)
        for number, (left, top, right, bottom) in enumerate(cells.astype(int).tolist()):
            found[number, top:bottom, left : (left + right) // 2] = _SURE
        return found


@dataclass
class CountedFinding:
    """Counts what was asked and found."""

    kinds: Counter[str] = field(default_factory=Counter)
    regions: list[int] = field(default_factory=list)

    def asked(self, kind: str, count: int) -> None:
        self.kinds[kind] += count

    def found(self, count: int) -> None:
        self.regions.append(count)
