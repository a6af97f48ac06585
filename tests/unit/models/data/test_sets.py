from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.manifest import Row
from models.data.pictures import copied
from models.data.sets import clipart, photos
from models.files import digest

SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path fill="red" d="M0 0h4v8H0z"/></svg>'


@pytest.mark.parametrize(
    ("caption", "name"),
    [
        ("A frog.", "frog"),
        ("An albino peahen (a female peafowl)", "albino peahen a female peafowl"),
        ("The Eiffel tower in Paris", "eiffel tower in paris"),
        ("5 japanese yen", "japanese yen"),
        ("a plumber\u2019s wrench", "plumber\u2019s wrench"),
        ("Тюлень", ""),
    ],
)
def test_a_caption_becomes_a_name(caption: str, name: str) -> None:
    assert photos.name_of(caption) == name


@pytest.mark.parametrize(("colours", "found"), [(1999, False), (2000, True)])
def test_many_colours_make_a_photograph(tmp_path: Path, colours: int, *, found: bool) -> None:
    pixels = np.full((50, 50, 4), 255, dtype=np.uint8)
    pixels[:, :, 0] = np.minimum(np.arange(2500), colours - 1).reshape(50, 50) % 256
    pixels[:, :, 1] = np.minimum(np.arange(2500), colours - 1).reshape(50, 50) // 256
    Image.fromarray(pixels).save(tmp_path / "a.png")

    assert photos.is_photographic(tmp_path / "a.png") is found


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("siringa_architetto_franc_01", "siringa"),
        ("saturn_dan_gerhards_01", "saturn dan"),
        ("jigsaw_green_09", "jigsaw green"),
        ("head2", "head"),
        ("3", "3"),
    ],
)
def test_a_file_name_becomes_a_label(stem: str, name: str) -> None:
    assert clipart.name_of(stem) == name


def test_a_vector_drawing_is_drawn_once_and_transparent_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "square.svg").write_text(SQUARE)
    row = Row("a", "deep/square.png", "square", "train", "MIT", "")

    found = copied(tmp_path / "square.svg", tmp_path / "set", row)

    with Image.open(tmp_path / "set/deep/square.png") as image:
        assert image.size == (256, 256)
        pixels = np.asarray(image)
    assert pixels[128, 64].tolist() == [255, 0, 0, 255]
    assert pixels[128, 192, 3] == 0
    assert found.sha256 == digest(tmp_path / "set/deep/square.png")
