"""What an image costs by its number of tiles, beside the same passes alone; what placing a region costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
from jaxtyping import UInt8

from benchmarks.bare import session
from benchmarks.measure import Side, in_turn
from benchmarks.pictures import new_pictures
from benchmarks.table import milliseconds, table
from models.vision.boxes import Box
from models.vision.images import ImageLimits, decode
from models.vision.local_encoder.reading import SIDE_PX, tiles_of
from models.vision.sampler import PUBLISHED, SamplerSettings, Stage, geometry
from models.vision.tiles import WHOLE, Grid, stretched
from services.encoding.settings import EncodingSettings
from services.kernel.limits import LIMITS

_GRIDS = (WHOLE, Grid(2, 1), Grid(2, 2), Grid(3, 2))
_PICTURE_PX = 1_000
_PICTURES = 4
_REGIONS = 100
_SMALL = SamplerSettings(points=64, stages=(Stage(16, 8), Stage(4, 8)))
_LIMITS = ImageLimits(LIMITS.image_bytes, LIMITS.image_pixels, LIMITS.image_side_px)

_Image = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class Found:
    """Costs per image: of each grid, of its passes alone, and per region placed, by how thoroughly."""

    encoder: str
    cut: dict[Grid, Side]
    bare: dict[Grid, Side]
    regions: dict[str, Side]


def measure() -> Found:
    """Let all grids take turns."""
    defaults = EncodingSettings()
    encoder = defaults.local_model or defaults.image_model
    opened = session(encoder)
    both = {("cut", grid): _seen(opened, grid) for grid in _GRIDS}
    both |= {("bare", grid): _passed(opened, grid) for grid in _GRIDS}
    images = new_pictures(_PICTURES, side_px=_PICTURE_PX)
    sides = in_turn(
        {
            f"{side} {place}": both[side, grid]
            for side in ("cut", "bare")
            for place, grid in enumerate(_GRIDS)
        },
        lambda: [decode(data, limits=_LIMITS) for data in images()],
    )
    placed = in_turn({"512, 128, 32": _placed(PUBLISHED), "64, 16, 4": _placed(_SMALL)}, _boxes)
    return Found(
        encoder,
        {grid: sides[f"cut {place}"] for place, grid in enumerate(_GRIDS)},
        {grid: sides[f"bare {place}"] for place, grid in enumerate(_GRIDS)},
        placed,
    )


def report(found: Found) -> str:
    """Return the result as two tables."""
    first = found.cut[WHOLE].cpu_s
    lines = [
        (
            f"{grid.columns} x {grid.rows}",
            str(_passes(grid)),
            milliseconds(side.cpu_s),
            milliseconds(side.cpu_s / _passes(grid)),
            f"{side.cpu_s / _passes(grid) / first:.2f}",
            f"{side.cpu_s / found.bare[grid].cpu_s:.2f}",
            f"{100 * side.spread:.0f} %",
        )
        for grid, side in found.cut.items()
    ]
    head = ("grid", "passes", "image ms", "pass ms", "pass over 1 x 1", "over passes alone", "spread")
    placed = [
        (name, milliseconds(side.cpu_s), f"{100 * side.spread:.0f} %") for name, side in found.regions.items()
    ]
    return (
        f"{found.encoder}, {_PICTURE_PX} x {_PICTURE_PX} pixels, cut and encoded, processor time\n"
        f"{table(head, lines)}\n\n"
        f"{table(('points and anchors', 'a region ms', 'spread'), placed)}"
    )


def _passes(grid: Grid) -> int:
    return grid.tiles + (grid != WHOLE)  # the whole at low resolution is one more


def _seen(encoder: onnxruntime.InferenceSession, grid: Grid) -> Callable[[Sequence[_Image]], object]:
    name = encoder.get_inputs()[0].name
    return lambda images: [encoder.run(None, {name: tiles_of(image, grid)}) for image in images]


def _passed(encoder: onnxruntime.InferenceSession, grid: Grid) -> Callable[[Sequence[_Image]], object]:
    name = encoder.get_inputs()[0].name
    tiles = np.random.default_rng(0).integers(0, 256, (_passes(grid), SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    return lambda images: [encoder.run(None, {name: tiles}) for _ in images]


def _placed(settings: SamplerSettings) -> Callable[[Sequence[Box]], object]:
    layout = stretched(_PICTURE_PX, _PICTURE_PX, grid=Grid(2, 2), side_px=SIDE_PX)
    return lambda boxes: geometry(boxes, layout, settings)


def _boxes() -> list[Box]:
    random = np.random.default_rng(0)
    corners = random.integers(0, _PICTURE_PX - 200, (_REGIONS, 2)).tolist()
    sides = random.integers(10, 200, (_REGIONS, 2)).tolist()
    return [Box(x, y, x + width, y + height) for (x, y), (width, height) in zip(corners, sides, strict=True)]


if __name__ == "__main__":
    print(report(measure()))
