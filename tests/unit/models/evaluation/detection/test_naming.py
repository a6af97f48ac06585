from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.detection import figures, naming
from models.evaluation.detection.naming import Crops, named
from models.evaluation.encoders import NAMES
from models.segmentation.outputs import sigmoid
from models.vision.boxes import Box
from tests.fakes.detector import COLOURS, read
from tests.unit.models.evaluation.detection.test_finder import RED, finder, sample, thing


class Eye:
    """Sees the colour in the middle of a crop; counts what it was shown."""

    def __init__(self) -> None:
        self.shown = 0

    def see(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        self.shown += len(crops)
        middle = crops[:, 112, 112].astype(int)
        near = [[np.abs(pixel - colour).max() < 64 for colour in COLOURS.values()] for pixel in middle]
        return {NAMES: np.array(near, dtype=np.float32)}


def test_true_boxes_are_named_by_an_encoder_that_sees_each(tmp_path: Path) -> None:
    scene, eye = sample("red", "blue", "green"), Eye()
    evidence = finder().find(scene, 0)
    boxes = naming.true_boxes(evidence)

    scores = Crops(eye.see, read, tmp_path).scores(scene.image, boxes, ["red", "blue", "green"])
    again = Crops(eye.see, read, tmp_path).scores(scene.image, boxes, ["red", "blue", "green"])

    found = named(evidence, boxes, scores)
    assert found.right == (True, True)
    assert figures.ap50([found.asked]).value == pytest.approx(1)
    np.testing.assert_array_equal(scores, again)
    assert eye.shown == 2


def test_regions_name_what_they_lie_on() -> None:
    evidence = finder().find(sample("red", "blue", "green"), 0)

    on_true = named(evidence, naming.true_boxes(evidence), naming.by_regions_on_true_boxes(evidence))
    own = naming.own_regions(evidence)
    on_own = named(evidence, evidence.regions.boxes[own], sigmoid(evidence.regions.logits[own]).astype(float))

    assert on_true.right == on_own.right == (True, True)
    assert len(own) == 2  # regions of colours that are not there have no area


def test_a_thing_that_no_region_lies_on_is_wrong() -> None:
    evidence = finder().find(sample("red", "blue"), 0)

    found = named(evidence, np.array([[0.0, 0.0, 20.0, 20.0]]), np.array([[0.9, 0.1]]))

    assert found.right == (False, False)


def test_no_region_answers_for_a_true_box_that_it_hardly_touches() -> None:
    scene = sample("red", "blue")
    beside = thing(Box(RED.left - 20, RED.top, RED.left + 20, RED.bottom), 0)

    evidence = finder().find(replace(scene, things=(beside,)), 0)

    assert not naming.by_regions_on_true_boxes(evidence).any()
