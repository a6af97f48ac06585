"""A picture that is not square, and nine regions of it."""

import numpy as np

from models.vision.boxes import Box
from models.vision.regions import Mask, Point, Polygon, Region
from models.vision.sampler import (
    SamplerSettings,
    Stage,
)
from models.vision.tiles import Grid, stretched

SMALL = SamplerSettings(points=24, stages=(Stage(8, 5), Stage(3, 4)))
WIDTH_PX, HEIGHT_PX = 640, 360
LAYOUT = stretched(WIDTH_PX, HEIGHT_PX, grid=Grid(3, 2), side_px=64)
CELLS = (8, 12)  # rows and columns: four a tile


def _disc(x: float, y: float, radius: float) -> Mask:
    rows, columns = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX] + 0.5
    return Mask((columns - x) ** 2 + (rows - y) ** 2 < radius**2)


def _ring_and_speck() -> Mask:
    pixels = _disc(200, 200, 60).pixels & ~_disc(200, 200, 30).pixels
    pixels[10, 600] = True
    return Mask(pixels)


NINE: dict[str, Region] = {
    "box": Box(500, 20, 600, 120),
    "thin box": Box(10, 300, 500, 303),
    "whole picture": Box(0, 0, WIDTH_PX, HEIGHT_PX),
    "point": Point(543.0, 71.0),
    "one pixel": Box(WIDTH_PX - 1, 0, WIDTH_PX, 1),
    "polygon": Polygon((np.array([[400.0, 40.0], [620.0, 60.0], [500.0, 200.0]]),)),
    "disc at the border": _disc(0, 350, 80),
    "ring and a speck apart": _ring_and_speck(),
    "two parts": Mask(_disc(100, 60, 40).pixels | _disc(560, 300, 50).pixels),
}
REGIONS = tuple(NINE.values())
