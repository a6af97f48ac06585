from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.export import GRAPH
from models.segmentation.export import DETECTOR, OUTPUTS, SCORER, _clear, restore, write
from models.segmentation.network import Detector
from models.vision.efficientnet.network import STAGES, EfficientNetLite0
from tests.models.segmentation.conftest import SMALL

pytestmark = pytest.mark.timeout(300)  # an export takes its time
SMALLEST = replace(SMALL, encoder_layers=1, decoder_layers=1, suppressions=4)
Arrays = dict[str, np.ndarray]


class Shallow(EfficientNetLite0):
    """Has a single layer for each stage; the real ones are exported by others' tests as well."""

    def __init__(self) -> None:
        super().__init__()
        self.shallow = nn.ModuleList(nn.Conv2d(3, stage.channels, 1) for stage in STAGES)

    def stages(self, image: Tensor) -> Iterator[Tensor]:
        stride = 2
        for stage, layer in zip(STAGES, self.shallow, strict=True):
            stride *= stage.stride
            yield layer(functional.avg_pool2d(image, stride))


@pytest.fixture(scope="module")
def detector() -> Detector:
    torch.manual_seed(0)
    made = Detector(Shallow(), SMALLEST)
    nn.init.normal_(made.relations.output[-1].weight)  # at the start they say nothing
    return made


@pytest.fixture(scope="module")
def store(detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graphs of a detector; writing them compares them with torch."""
    folder = tmp_path_factory.mktemp("store")
    write(detector, folder)
    return folder


def run(store: Path, name: str, inputs: Arrays) -> Arrays:
    session = onnxruntime.InferenceSession(
        str(store / name / "1" / GRAPH), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def pictures(count: int) -> np.ndarray:
    shape = (count, SMALL.side_px, SMALL.side_px, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def texts(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((1, count, SMALL.texts), dtype=np.float32)


@pytest.fixture(scope="module")
def found(store: Path) -> Arrays:
    return run(store, DETECTOR, {"images": pictures(1), "sentences": texts(1, 0) * 0})


def test_writing_leaves_the_detector_as_it_was(store: Path, detector: Detector) -> None:
    assert store
    assert detector.training
    assert isinstance(detector.trunk._bn0, torch.nn.BatchNorm2d)


def test_the_graph_has_what_is_promised(found: Arrays) -> None:
    assert tuple(found) == OUTPUTS
    assert {name: array.shape[1:] for name, array in found.items()} == {
        "queries": (SMALL.queries, SMALL.texts),
        "offsets": (SMALL.queries,),
        "boxes": (SMALL.queries, 4),
        "objectness": (SMALL.queries,),
        "mask_queries": (SMALL.queries, SMALL.masks),
        "mask_features": (SMALL.masks, SMALL.side_px // 4, SMALL.side_px // 4),
        "texts": (1, SMALL.texts),
        "relations": (SMALL.queries, 1),
    }
    assert all(array.dtype == np.float32 for array in found.values())
    assert 0 <= found["boxes"].min() <= found["boxes"].max() <= 1


def test_any_number_of_pictures_and_sentences_goes_in(store: Path) -> None:
    sentences = np.repeat(texts(5, 1), 3, axis=0)

    together = run(store, DETECTOR, {"images": pictures(3), "sentences": sentences})
    alone = run(store, DETECTOR, {"images": pictures(3)[2:], "sentences": sentences[2:]})

    for name in OUTPUTS:
        np.testing.assert_allclose(together[name][2:], alone[name], atol=1e-4)


def test_fewer_sentences_than_the_others_have_are_filled_up_with_rows_of_zeros(store: Path) -> None:
    sentences = texts(2, 1)
    filled = np.concatenate([sentences, 0 * texts(3, 0)], axis=1)

    expected = run(store, DETECTOR, {"images": pictures(1), "sentences": sentences})
    padded = run(store, DETECTOR, {"images": pictures(1), "sentences": filled})

    np.testing.assert_allclose(padded["queries"], expected["queries"], atol=1e-5)
    np.testing.assert_allclose(padded["texts"][:, :2], expected["texts"], atol=1e-5)
    np.testing.assert_array_equal(padded["texts"][:, 2:], 0)
    assert expected["relations"].all()
    np.testing.assert_allclose(padded["relations"][..., :2], expected["relations"], atol=1e-4)
    np.testing.assert_array_equal(padded["relations"][..., 2:], 0)


def test_a_name_scores_the_same_alone_and_among_a_thousand_in_whatever_order(
    store: Path, found: Arrays
) -> None:
    names, others = texts(4, 2), texts(1000, 3)
    of_picture = {name: found[name] for name in ("queries", "offsets")}

    alone = run(store, SCORER, {**of_picture, "texts": names})["logits"]
    among = run(store, SCORER, {**of_picture, "texts": np.concatenate([others, names[:, ::-1]], axis=1)})

    np.testing.assert_allclose(among["logits"][..., :999:-1], alone, atol=1e-5)


def test_pictures_in_which_rounding_decides_are_not_compared(detector: Detector) -> None:
    unsure = deepcopy(detector).eval()
    torch.nn.init.zeros_(unsure.proposer.score.weight)  # all proposals score alike
    nothing = 0 * texts(1, 0)[0]

    assert not _clear(unsure, pictures(1)[0], nothing)
    assert _clear(deepcopy(detector).eval(), pictures(1)[0], nothing)


def test_the_token_of_names_comes_back_to_the_bit(found: Arrays) -> None:
    np.testing.assert_array_equal(found["texts"], 0)
    np.testing.assert_array_equal(found["relations"], 0)


def test_a_detector_gets_back_what_it_wrote(store: Path, detector: Detector, found: Arrays) -> None:
    torch.manual_seed(1)
    other = Detector(detector.trunk, SMALLEST)

    restore(other, store)

    names = torch.zeros(1, 1, SMALL.texts)
    with torch.inference_mode():
        last = other.eval()(torch.from_numpy(pictures(1)), names).layers[-1]
    np.testing.assert_allclose(last.queries.numpy(), found["queries"], atol=2e-3)
    np.testing.assert_allclose(last.boxes.clamp(0, 1).numpy(), found["boxes"], atol=2e-3)


def test_a_detector_of_another_size_gets_nothing(store: Path) -> None:
    larger = Detector(Shallow(), replace(SMALLEST, aligned=SMALLEST.aligned + 8))

    with pytest.raises(ValueError, match="of the shape"):
        restore(larger, store)
