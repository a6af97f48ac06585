from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.manifest import Manifest, Row
from models.evaluation.metrics import Share
from models.evaluation.protocols import scenes
from models.evaluation.protocols.scenes import Reading, Way, compose_all, cropped, recognise, shrunk
from models.vision.scenes import Scene

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
LABELS = list(COLOURS)
MEMORY = np.eye(3)


@pytest.fixture
def composed(tmp_path: Path) -> list[Scene]:
    for name, colour in {**COLOURS, "wood": (128, 128, 128)}.items():
        Image.new("RGBA", (40, 40), colour).save(tmp_path / f"{name}.png")
    Image.new("RGB", (600, 500), (128, 128, 128)).save(tmp_path / "wood.png")
    cutouts = Manifest("cutouts", tmp_path, tuple(row(label) for label in LABELS))
    return compose_all(cutouts, Manifest("scenery", tmp_path, (row("wood"),)), scenes=3)


def row(label: str) -> Row:
    return Row(label, f"{label}.png", label, "test", "MIT", "00")


def middle(crops: np.ndarray) -> np.ndarray:
    """See the colour in the middle of each crop."""
    return np.asarray(crops[:, 100:124, 100:124].astype(np.float64).mean((1, 2)) / 255)


def test_scenes_hold_every_class_in_turn_on_their_background(composed: list[Scene]) -> None:
    assert len(composed) == 3
    assert all(scene.image.shape == (448, 448, 3) for scene in composed)
    assert {each.label for scene in composed for each in scene.objects} == set(LABELS)
    assert (composed[0].image == 128).all(axis=2).mean() > 0.9


@pytest.mark.parametrize("reading", [cropped, shrunk])
def test_objects_are_read_where_they_are(
    composed: list[Scene], reading: Callable[[Callable[[np.ndarray], np.ndarray]], Reading]
) -> None:
    found = recognise(composed, LABELS, Way("colours", reading(middle), MEMORY))

    total = sum(len(scene.objects) for scene in composed)
    assert found.first == Share(total, total)
    assert found.title == "colours"


def test_who_reads_always_the_same_is_right_for_one_class_alone(composed: list[Scene]) -> None:
    def blind(crops: np.ndarray) -> np.ndarray:
        return np.tile([1.0, 0.5, 0.0], (len(crops), 1))

    found = recognise(composed, LABELS, Way("one for everything", cropped(blind), MEMORY))

    labels = [each.label for scene in composed for each in scene.objects]
    assert found.first == Share(labels.count("red"), len(labels))
    assert found.five == Share(len(labels), len(labels))


def test_the_same_scenes_are_composed_each_time(tmp_path: Path, composed: list[Scene]) -> None:
    cutouts = Manifest("cutouts", tmp_path, tuple(row(label) for label in LABELS))

    again = compose_all(cutouts, Manifest("scenery", tmp_path, (row("wood"),)), scenes=3)

    for first, second in zip(composed, again, strict=True):
        np.testing.assert_array_equal(first.image, second.image)
    assert scenes.SETTINGS.least_px == 12
