from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.detection import floors
from models.evaluation.detection.finder import Finder, Shipped
from models.evaluation.detection.passes import Asking, look
from models.segmentation.samples import Sample
from tests.fakes.detector import ColourImages, ColourScorer, read
from tests.unit.models.evaluation.detection.cases import SIDE_PX, asked, said, truth
from tests.unit.models.evaluation.detection.test_finder import THRESHOLDS, sample


class Tired(ColourImages):
    """Stops in the middle of a set, once."""

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if len(self.sentences) == 2:
            self.sentences.append(inputs["sentences"])
            raise KeyboardInterrupt
        return super().run(inputs)


def unseen(_: np.ndarray) -> dict[str, np.ndarray]:
    """Nobody shows crops here."""
    return {}


def test_a_run_that_was_ended_goes_on_where_it_was(tmp_path: Path) -> None:
    images, drawn = Tired(), list[int]()
    shipped = Shipped(Finder(images, ColourScorer(), read, THRESHOLDS), unseen, "eye", "detector")

    def draw(_: str, scene: int) -> Sample:
        drawn.append(scene)
        return sample("red", "blue")

    with pytest.raises(KeyboardInterrupt):
        look(shipped, Asking("painted", 4), tmp_path, draw)
    found = look(shipped, Asking("painted", 4), tmp_path, draw)

    assert [each.scene for each in found] == [0, 1, 2, 3]
    assert drawn == [0, 1, 2, 2, 3]


def test_a_mask_of_everything_is_as_good_as_its_thing_is_large() -> None:
    quarter, half = (0.0, 0.0, 100.0, 100.0), (0.0, 0.0, 200.0, 100.0)
    scenes = [
        asked(["star"], [truth(quarter, 0)], said()),
        asked(["star", "tree"], [truth(half, 0), truth(quarter, 1), truth(quarter, 1)], said()),
    ]

    found = floors.everything(scenes)

    assert SIDE_PX == 200
    assert found.value == pytest.approx(3 / 8)
    assert found.count == 2  # two things answer "tree"
