"""Masks from boxes: a picture is seen once, and boxes of it are asked in batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from models.segmentation.imported.masks import BoxMasks, MaskModels
from models.segmentation.imported.squares import Fit, square_of
from models.segmentation.pixels import mask
from models.vision.boxes import Box

SIDE_PX = 32
CELLS = 16


@dataclass
class BoxDrawer:
    """Sees how bright a square is, and draws of each box what it holds."""

    calls: list[str] = field(default_factory=list)
    boxes: list[int] = field(default_factory=list)
    sizes: list[list[int]] = field(default_factory=list)

    def run(self, name: str, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        self.calls.append(name)
        if name == "image":
            self.sizes += tensors["sizes"].tolist() if "sizes" in tensors else []
            return {"coarse": tensors["images"].mean(axis=(1, 2, 3), dtype=np.float32)[:, None, None, None]}
        (boxes,) = tensors["boxes"]
        self.boxes.append(len(boxes))
        middle = (np.arange(CELLS) + 0.5) * SIDE_PX / CELLS
        across = (middle > boxes[:, :1]) & (middle < boxes[:, 2:3])  # (box, column)
        down = (middle > boxes[:, 1:2]) & (middle < boxes[:, 3:])  # (box, row)
        inside = across[:, None, :] & down[:, :, None]
        return {"masks": np.where(inside, 9, -9).astype(np.float32)[None]}


def masker(models: BoxDrawer, fit: Fit) -> BoxMasks:
    return BoxMasks(models, MaskModels("image", "masks", SIDE_PX, fit, sized=fit == "corner"))


@pytest.mark.parametrize("fit", ["corner", "stretch"])
def test_a_mask_lies_where_its_box_does_in_pixels_of_the_picture(fit: Fit) -> None:
    models = BoxDrawer()
    picture = np.zeros((40, 80, 3), dtype=np.uint8)

    seen = masker(models, fit).see(picture)
    (logits,) = masker(models, fit).masks(seen, np.array([[20.0, 10, 60, 30]]))
    drawn = mask(logits, seen.square, Box(0, 0, 80, 40))

    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    assert abs(rows[0] - 10) <= 2
    assert abs(rows[-1] - 29) <= 2
    assert abs(columns[0] - 20) <= 2
    assert abs(columns[-1] - 59) <= 2


def test_a_picture_is_seen_once_for_all_of_its_boxes() -> None:
    models = BoxDrawer()
    boxes = np.tile(np.array([[0.0, 0, 40, 40]]), (40, 1))

    seen = masker(models, "corner").see(np.zeros((40, 80, 3), dtype=np.uint8))
    found = masker(models, "corner").masks(seen, boxes)

    assert found.shape == (40, CELLS, CELLS)
    assert models.calls == ["image", "masks", "masks", "masks"]
    assert models.boxes == [16, 16, 8]
    assert models.sizes == [[16, 32]]


def test_a_stretched_picture_fills_the_square() -> None:
    square = square_of(80, 40, side_px=SIDE_PX, fit="stretch")

    np.testing.assert_allclose(
        square.to_square(np.array([[0.0, 0, 80, 40], [40, 10, 60, 20]])),
        np.array([[0.0, 0, 1, 1], [0.5, 0.25, 0.75, 0.5]]),
    )
    with pytest.raises(ValueError, match="0 x 40"):
        square_of(0, 40, side_px=SIDE_PX, fit="stretch")
