"""What every Detector must do. The fake and those over models all pass this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer as PackagedTokenizer
from tokenizers.models import WordLevel

from models.text.tokenizer import Tokenizer
from models.vision.boxes import Box
from services.kernel.vocabulary import PromptKind
from services.runtime.model_execution.texts import Reading
from services.segmentation.adapters.described import Detection
from services.segmentation.adapters.models import ModelDetector
from services.segmentation.ports import Detector
from tests.fakes.finding import CALIBRATED, SIDE_PX, PaintedDetector
from tests.fakes.models import FunctionModels, Tensors

RED, BLUE = Box(12, 12, 48, 36), Box(60, 48, 84, 84)
WORD = "thing"
TEXTS = np.eye(4, dtype=np.float32)[[0, 2, 3]]


def _graphs() -> FunctionModels:
    """Return two graphs that do what the fake does, with a batch before everything."""
    painted = PaintedDetector()

    def see(tensors: Tensors) -> Tensors:
        seen = painted.look(tensors["images"], tensors["sentences"][0])
        return {**vars(seen), "objectness": seen.offsets}

    def score(tensors: Tensors) -> Tensors:
        logits = painted.score(tensors["queries"][0], tensors["offsets"][0], tensors["texts"][0])
        return {"logits": logits[np.newaxis]}

    return FunctionModels({"eye": see, "scorer": score})


def _over_models() -> ModelDetector:
    nobody = Reading(
        "reader", Tokenizer(PackagedTokenizer(WordLevel({WORD: 0}, unk_token=WORD))), "x", "name"
    )
    return ModelDetector(_graphs(), Detection("eye", "scorer", SIDE_PX, 4, CALIBRATED, nobody))


DETECTORS: Mapping[str, Callable[[], Detector]] = {"fake": PaintedDetector, "models": _over_models}


@pytest.fixture(params=DETECTORS)
def detector(request: pytest.FixtureRequest) -> Detector:
    return DETECTORS[request.param]()


@pytest.fixture
def squares() -> np.ndarray:
    drawn = []
    for colour, box in (("red", RED), ("blue", BLUE)):
        square = Image.new("RGB", (SIDE_PX, SIDE_PX), (127, 127, 127))
        square.paste(colour, (box.left, box.top, box.right, box.bottom))
        drawn.append(np.asarray(square))
    return np.stack(drawn)


def test_it_names_its_models_and_a_threshold_for_each_kind(detector: Detector) -> None:
    assert all("@" in model for model in detector.models())
    assert detector.thresholds().keys() == set(PromptKind)
    assert detector.fused() <= set(PromptKind)


def test_what_is_seen_keeps_the_order_of_the_squares(detector: Detector, squares: np.ndarray) -> None:
    together = detector.look(squares)
    alone = detector.look(squares[1:])

    assert len(together.queries) == 2
    np.testing.assert_allclose(together.boxes[1], alone.boxes[0], atol=1e-5)
    np.testing.assert_allclose(together.mask_features[1], alone.mask_features[0], atol=1e-5)


def test_a_text_has_the_same_logits_whatever_is_scored_beside_it(
    detector: Detector, squares: np.ndarray
) -> None:
    seen = detector.look(squares[:1])

    together = detector.score(seen.queries[0], seen.offsets[0], TEXTS)
    alone = detector.score(seen.queries[0], seen.offsets[0], TEXTS[1:2])

    assert together.shape == (seen.queries.shape[1], 3)
    np.testing.assert_allclose(together[:, 1:2], alone, atol=1e-5)


def test_the_best_place_for_a_text_is_where_the_thing_is(detector: Detector, squares: np.ndarray) -> None:
    seen = detector.look(squares[:1])

    place = int(detector.score(seen.queries[0], seen.offsets[0], TEXTS)[:, 0].argmax())

    assert (seen.boxes[0, place] * SIDE_PX).tolist() == [RED.left, RED.top, RED.right, RED.bottom]


def test_texts_that_are_read_with_squares_come_back_for_each_of_them(
    detector: Detector, squares: np.ndarray
) -> None:
    seen = detector.look(squares, TEXTS)

    assert seen.texts.shape == (2, 3, 4)
    assert seen.relations.shape == (*seen.offsets.shape, 3)
