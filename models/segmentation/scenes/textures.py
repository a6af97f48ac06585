"""Stuff by rule: textures with names, each of parameters of its own.

Every parameter (colours, periods, angles) is a share from 0 to 1 of its range, and each use of scenes has
parts of that range to itself: no evaluation texture has a colour or a period of a training one.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

Field = Float32[np.ndarray, "h w"]
_OCTAVES: Final = 3


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws parameters from parts of their ranges.

    Attributes:
        rng: All chance.
        parts: Of the range from 0 to 1; each from and to.
    """

    rng: np.random.Generator
    parts: tuple[tuple[float, float], ...] = ((0.0, 1.0),)

    def share(self) -> float:
        """Return a parameter's share of its range."""
        widths = np.array([end - start for start, end in self.parts])
        start, end = self.parts[int(self.rng.choice(len(widths), p=widths / widths.sum()))]
        return float(self.rng.uniform(start, end))

    def between(self, low: float, high: float) -> float:
        """Return a parameter of this range."""
        return low + (high - low) * self.share()

    def period(self, low: float, high: float) -> float:
        """Return a length in pixels, evenly on a logarithmic scale."""
        return float(low * (high / low) ** self.share())

    def colour(
        self, hue: tuple[float, float], saturation: tuple[float, float], value: tuple[float, float]
    ) -> tuple[float, float, float]:
        """Return red, green and blue from 0 to 255 of a hue in degrees, a saturation and a value."""
        hsv = self.between(*hue) % 360 / 360, self.between(*saturation), self.between(*value)
        red, green, blue = colorsys.hsv_to_rgb(*hsv)
        return 255 * red, 255 * green, 255 * blue

    def any_colour(self) -> tuple[float, float, float]:
        """Return a colour of any hue."""
        return self.colour((0.0, 360.0), (0.4, 1.0), (0.5, 1.0))

    def noise(self, width_px: int, height_px: int, cell_px: tuple[float, float]) -> Field:
        """Return values from 0 to 1 that change smoothly over cells of so many pixels across and down."""
        cells = [
            max(2, round(side / cell)) for side, cell in zip((width_px, height_px), cell_px, strict=True)
        ]
        few = self.rng.integers(0, 256, (cells[1], cells[0]), dtype=np.uint8)
        smooth = Image.fromarray(few).resize((width_px, height_px), Image.Resampling.BICUBIC)
        return np.asarray(smooth, dtype=np.float32) / 255

    def turbulence(self, width_px: int, height_px: int, cell_px: float) -> Field:
        """Return noise of several sizes, from 0 to 1, the coarsest strongest."""
        total = np.zeros((height_px, width_px), dtype=np.float32)
        for octave in range(_OCTAVES):
            finer = cell_px / 2**octave
            total += self.noise(width_px, height_px, (finer, finer)) / 2**octave
        return np.asarray(total / (2 - 0.5 ** (_OCTAVES - 1)), dtype=np.float32)


Texture = Callable[[int, int, Draws], UInt8[np.ndarray, "h w 3"]]


def grass(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Upright blades of green."""
    blade = draws.period(1.5, 4.0)
    blades = draws.noise(width_px, height_px, (blade, 6.0 * blade))
    field = 0.7 * blades + 0.3 * draws.turbulence(width_px, height_px, 80.0)
    dark = draws.colour((85.0, 130.0), (0.6, 1.0), (0.15, 0.35))
    return _coloured(field, dark, draws.colour((75.0, 115.0), (0.5, 0.9), (0.6, 0.9)))


def water(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Flat waves of blue."""
    across, down = _grid(width_px, height_px)
    period = draws.period(8.0, 30.0)
    bend = 6 * draws.noise(width_px, height_px, (5.0 * period, 1.5 * period))
    wave = np.sin(2 * np.pi * (down + 0.05 * across) / period + 2 * bend)
    field = 0.5 + 0.35 * wave + 0.15 * draws.noise(width_px, height_px, (period, 3.0))
    deep = draws.colour((190.0, 225.0), (0.6, 1.0), (0.3, 0.6))
    return _coloured(field, deep, draws.colour((180.0, 215.0), (0.2, 0.6), (0.7, 1.0)))


def sand(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Fine grains, with low ripples."""
    across, down = _grid(width_px, height_px)
    period = draws.period(20.0, 70.0)
    bend = draws.noise(width_px, height_px, (3.0 * period, 3.0 * period))
    ripples = np.sin(2 * np.pi * (0.3 * across + down) / period + 5 * bend)
    field = 0.5 + 0.12 * ripples + 0.7 * (_grain(width_px, height_px, draws) - 0.5)
    dark = draws.colour((30.0, 42.0), (0.3, 0.6), (0.5, 0.75))
    return _coloured(field, dark, draws.colour((35.0, 48.0), (0.15, 0.4), (0.85, 1.0)))


def masonry(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Courses of bricks, each set off by half a brick."""
    tall = draws.period(12.0, 34.0)
    wide = tall * draws.between(1.8, 2.8)
    across, down = _grid(width_px, height_px)
    course = np.floor(down / tall)
    along = across + wide / 2 * (course % 2)
    mortar = max(2.0, 0.12 * tall)
    joint = (down % tall < mortar) | (along % wide < mortar)
    shades = draws.rng.random((64, 64), dtype=np.float32)
    brick = shades[course.astype(np.int64) % 64, np.floor(along / wide).astype(np.int64) % 64]
    field = np.where(joint, 1, 0.1 + 0.4 * brick + 0.15 * _grain(width_px, height_px, draws))
    fired = draws.colour((2.0, 22.0), (0.55, 0.85), (0.35, 0.7))
    return _coloured(field.astype(np.float32), fired, draws.colour((25.0, 60.0), (0.05, 0.2), (0.7, 0.95)))


def planks(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Boards side by side, with grain along them."""
    wide = draws.period(28.0, 90.0)
    across, down = _grid(width_px, height_px)
    if draws.rng.random() < 0.5:  # noqa: PLR2004  (upright as often as lying)
        across, down = down, across
    board = np.floor(across / wide)
    rings = 12 * draws.noise(width_px, height_px, (60.0, 60.0))
    fibre = np.sin(2 * np.pi * across / draws.period(5.0, 14.0) + rings + 3 * board)
    shade = draws.rng.random(128, dtype=np.float32)[board.astype(np.int64) % 128]
    field = 0.45 + 0.2 * fibre + 0.3 * shade + 0.02 * down % 0.04
    field[across % wide < max(2.0, 0.05 * wide)] = 0
    dark = draws.colour((18.0, 30.0), (0.5, 0.8), (0.2, 0.4))
    return _coloured(field.astype(np.float32), dark, draws.colour((22.0, 36.0), (0.4, 0.7), (0.6, 0.9)))


def stripes(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Straight bands of two colours."""
    return _two_colours(_turned(width_px, height_px, draws) % 1 < draws.between(0.35, 0.65), draws)


def checkerboard(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Squares of two colours in turn."""
    across, down = _grid(width_px, height_px)
    side = draws.period(10.0, 44.0)
    return _two_colours((np.floor(across / side) + np.floor(down / side)) % 2 < 1, draws)


def dots(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Round dots in rows."""
    across, down = _grid(width_px, height_px)
    side = draws.period(16.0, 56.0)
    x = (across + side / 2 * (np.floor(down / side) % 2)) % side - side / 2
    y = down % side - side / 2
    return _two_colours(np.hypot(x, y) < side * draws.between(0.2, 0.38), draws)


def zigzags(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Bands that go up and down in straight lines."""
    across, down = _grid(width_px, height_px)
    period = draws.period(18.0, 60.0)
    bent = down + period * draws.between(0.5, 1.1) * np.abs((across / period) % 1 - 0.5) * 2
    return _two_colours(bent / (0.9 * period) % 1 < 0.5, draws)  # noqa: PLR2004  (bands of equal width)


def plaid(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Bands that cross: a woven cloth."""
    across, down = _grid(width_px, height_px)
    period = draws.period(24.0, 80.0)
    wide = draws.between(0.3, 0.55)
    bands = [0.35 * (axis / period % 1 < wide) for axis in (across, down)]
    lines = [0.3 * (np.abs(axis / period % 1 - 0.8) < 0.04) for axis in (across, down)]  # noqa: PLR2004
    field = np.stack([*bands, *lines]).sum(axis=0).astype(np.float32)
    return _coloured(field, draws.any_colour(), draws.colour((0.0, 360.0), (0.1, 0.7), (0.1, 0.5)))


def clouds(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """White heaps on blue."""
    field = draws.turbulence(width_px, height_px, draws.period(70.0, 200.0))
    field = np.clip(draws.between(2.5, 4.0) * (field - 0.45), 0, 1)
    return _coloured(field, draws.colour((200.0, 222.0), (0.4, 0.8), (0.65, 1.0)), (250.0, 250.0, 252.0))


def snow(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """White, with faint bluish hollows and glints."""
    field = 0.6 * draws.turbulence(width_px, height_px, draws.period(40.0, 140.0)) + 0.4
    field += 0.1 * (_grain(width_px, height_px, draws) - 0.5)
    return _coloured(field, draws.colour((205.0, 230.0), (0.15, 0.35), (0.7, 0.85)), (252.0, 253.0, 255.0))


def marble(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Pale stone with thin, winding veins."""
    bend = 2.2 * draws.turbulence(width_px, height_px, draws.period(60.0, 160.0))
    veins = np.abs(np.sin(np.pi * (_turned(width_px, height_px, draws, (60.0, 160.0)) + bend)))
    dark = draws.colour((0.0, 360.0), (0.05, 0.25), (0.2, 0.5))
    return _coloured(
        veins.astype(np.float32) ** 0.4, dark, draws.colour((0.0, 360.0), (0.02, 0.12), (0.85, 1.0))
    )


def honeycomb(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Six-sided cells with light walls."""
    across, down = _grid(width_px, height_px)
    side = draws.period(16.0, 50.0)
    apart = []
    for shift in (0.0, 0.5):  # two interleaved grids of centres; the nearer one owns a pixel
        x = np.abs((across / side + shift) % 1 - 0.5)
        y = np.abs((down / (side * np.sqrt(3)) + shift) % 1 - 0.5) * np.sqrt(3)
        apart.append(np.maximum(x, 0.5 * x + 0.5 * np.sqrt(3) * y))
    wall = np.clip((np.minimum(*apart) - 0.4) / 0.06, 0, 1)
    comb = draws.colour((32.0, 46.0), (0.75, 1.0), (0.5, 0.85))
    return _coloured(wall.astype(np.float32), comb, draws.colour((42.0, 54.0), (0.3, 0.6), (0.9, 1.0)))


def lava(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Glowing cracks in a dark crust."""
    field = np.abs(draws.turbulence(width_px, height_px, draws.period(50.0, 150.0)) - 0.5)
    glow = np.clip(1 - field / draws.between(0.06, 0.14), 0, 1)
    return _coloured(
        glow,
        draws.colour((0.0, 14.0), (0.5, 0.9), (0.08, 0.25)),
        draws.colour((18.0, 46.0), (0.85, 1.0), (0.95, 1.0)),
    )


def asphalt(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Dark grey grains."""
    coarse = draws.period(2.0, 4.0)
    field = 0.7 * draws.noise(width_px, height_px, (coarse, coarse)) + 0.3 * _grain(
        width_px, height_px, draws
    )
    dark = draws.colour((0.0, 360.0), (0.0, 0.08), (0.08, 0.2))
    return _coloured(field, dark, draws.colour((0.0, 360.0), (0.0, 0.08), (0.4, 0.6)))


TEXTURES: Final[Mapping[str, Texture]] = MappingProxyType(
    {
        each.__name__: each
        for each in (
            grass,
            water,
            sand,
            masonry,
            planks,
            stripes,
            checkerboard,
            dots,
            zigzags,
            plaid,
            clouds,
            snow,
            marble,
            honeycomb,
            lava,
            asphalt,
        )
    }
)
"""By the name that each is asked for by."""


def _grid(width_px: int, height_px: int) -> tuple[Field, Field]:
    """Return the pixels' places across and down."""
    across = np.broadcast_to(np.arange(width_px, dtype=np.float32), (height_px, width_px))
    down = np.broadcast_to(np.arange(height_px, dtype=np.float32)[:, None], (height_px, width_px))
    return across, down


def _turned(
    width_px: int, height_px: int, draws: Draws, period_px: tuple[float, float] = (12.0, 60.0)
) -> Field:
    """Return how many periods each pixel is along a direction."""
    across, down = _grid(width_px, height_px)
    angle, period = np.float32(draws.between(0.0, np.pi)), np.float32(draws.period(*period_px))
    along: Field = (np.cos(angle) * across + np.sin(angle) * down) / period
    return along


def _grain(width_px: int, height_px: int, draws: Draws) -> Field:
    return draws.rng.random((height_px, width_px), dtype=np.float32)


def _two_colours(inside: np.ndarray, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Return a pattern in two colours that can be told apart."""
    light = draws.colour((0.0, 360.0), (0.0, 0.7), (0.8, 1.0))
    return _coloured(inside.astype(np.float32), draws.colour((0.0, 360.0), (0.5, 1.0), (0.2, 0.75)), light)


def _coloured(
    field: Field, low: tuple[float, float, float], high: tuple[float, float, float]
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a field in colours: `low` where it is 0, `high` where it is 1."""
    steps = np.linspace(0, 1, 256)[:, None]
    colours = np.rint((1 - steps) * np.array(low) + steps * np.array(high)).astype(np.uint8)  # (256, 3)
    return np.asarray(colours[np.clip(255 * field, 0, 255).astype(np.uint8)])
