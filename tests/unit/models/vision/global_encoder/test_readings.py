"""What was read once is not read again, and a run that was stopped ends as one that was not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.vision.global_encoder.data import Picture
from models.vision.global_encoder.readings import readings
from models.vision.global_encoder.views import Freedom


class Reader:
    """Reads the mean colour; stops for good after so many batches."""

    def __init__(self, batches: int = 1 << 30) -> None:
        self.read = 0
        self._left = batches

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        self.read += len(crops)
        return np.asarray(crops.mean((1, 2)))


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    """Return ten pictures with one view each."""
    made = []
    for number in range(10):
        path = tmp_path / f"{number}.png"
        Image.new("RGBA", (16, 12), (20 * number, 90, 255 - 20 * number, 255)).save(path)
        texts = (str(number),)
        made.append(
            Picture(str(number), path, "google", texts[0], texts[0], "", texts, (), False, Freedom(), 1)  # noqa: FBT003
        )
    return made


def test_a_stopped_run_ends_as_one_that_was_not(pictures: list[Picture], tmp_path: Path) -> None:
    whole = readings(pictures, Reader(), tmp_path / "whole", chunk=4)
    with pytest.raises(KeyboardInterrupt):
        readings(pictures, Reader(2), tmp_path / "stopped", chunk=4)

    resumed = Reader()
    again = readings(pictures, resumed, tmp_path / "stopped", chunk=4)

    assert (again.rows == whole.rows).all()
    assert resumed.read == 20 - 8


def test_nothing_is_read_twice(pictures: list[Picture], tmp_path: Path) -> None:
    readings(pictures, Reader(), tmp_path / "kept")

    second = Reader()
    readings(pictures, second, tmp_path / "kept")

    assert second.read == 0


def test_a_picture_is_read_as_it_is_and_then_its_views(pictures: list[Picture], tmp_path: Path) -> None:
    found = readings(pictures, Reader(), tmp_path / "kept")

    assert found.picture.tolist() == [*range(10), *range(10)]
    assert found.is_plain.tolist() == [True] * 10 + [False] * 10


def test_without_pictures_there_is_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no picture"):
        readings([], Reader(), tmp_path)
