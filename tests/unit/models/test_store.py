"""The committed graphs do what their descriptions and the torch modules say, without torch.

`golden/torch.npz` was computed by the torch modules with the packaged weights.
"""

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from models.evaluation import encoders
from models.evaluation.encoders import STORE, Model
from models.vision.images import ImageLimits, decode
from models.vision.preparation import prepare

EMOJI = Path(__file__).parents[3] / "examples" / "emoji"
GOLDEN = Path(__file__).parent / "golden" / "torch.npz"
PICTURES = ("noto/1f427.png", "noto/1f691.png", "fluent/1fa87.webp")  # penguin, ambulance, maracas
LIMITS = ImageLimits(max_bytes=1 << 20, max_pixels=1 << 20, max_side_px=1 << 12)
KING_PENGUIN, AMBULANCE, MARACA = 145, 407, 641
FOLDERS = sorted(path.parent for path in STORE.glob("*/*/model.toml"))
DTYPES = {"tensor(uint8)": "UINT8", "tensor(int64)": "INT64", "tensor(float)": "FP32"}


def described(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))


def crop(picture: str) -> np.ndarray:
    return prepare(decode((EMOJI / picture).read_bytes(), limits=LIMITS))


class Graphs:
    """The packaged models, one by one."""

    def __init__(self) -> None:
        self._image = Model("efficientnet-lite0")
        self._bridge = Model("conse-imagenet-minilm")
        self.read = encoders.raw().read

    def see(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = self._image.run({"crops": crops})
        return found["embeddings"], found["logits"]

    def bridge(self, logits: np.ndarray) -> np.ndarray:
        return self._bridge.run({"logits": logits})["embeddings"]


@pytest.fixture(scope="module")
def graphs() -> Graphs:
    return Graphs()


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return np.stack([crop(picture) for picture in PICTURES])


def test_those_that_ship_are_there_and_those_of_before() -> None:
    assert [folder.parent.name for folder in FOLDERS] == [
        "all-minilm-l6-v2",
        "conse-imagenet-minilm",
        "efficientnet-lite0",
        "fovea-detector",
        "fovea-detector-text",
        "fovea-global",
        "fovea-local",
        "fovea-pairs",
        "fovea-projector",
        "fovea-ranker",
        "fovea-regions",
        "fovea-text",
    ]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_a_graph_is_the_one_described_small_and_anonymous(folder: Path) -> None:
    description = described(folder)
    data = (folder / description["graph"]["file"]).read_bytes()

    assert hashlib.sha256(data).hexdigest() == description["graph"]["sha256"]
    assert len(data) <= 20_000_000
    assert not [place for place in (b"site-packages", b"/home/", b"/tmp/", b"/root/") if place in data]
    assert (description["name"], description["version"]) == (folder.parent.name, folder.name)
    assert (folder / "README.md").is_file()


@pytest.mark.parametrize("folder", [FOLDERS[1], FOLDERS[2]], ids=lambda folder: folder.parent.name)
def test_tensors_are_as_described(folder: Path) -> None:
    description = described(folder)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    for kind, found in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
        shapes = [[size if isinstance(size, int) else -1 for size in each.shape] for each in found]
        assert shapes == [each["shape"] for each in description[kind]]
        assert [each.name for each in found] == [each["name"] for each in description[kind]]
        assert [DTYPES[each.type] for each in found] == [each["dtype"] for each in description[kind]]


def test_the_image_encoder_agrees_with_torch_and_knows_its_classes(
    graphs: Graphs, crops: np.ndarray, golden: dict[str, np.ndarray]
) -> None:
    embeddings, logits = graphs.see(crops)

    np.testing.assert_allclose((embeddings * golden["visual"]).sum(1), 1, atol=1e-3)
    assert logits.argmax(1).tolist() == golden["classes"].tolist() == [KING_PENGUIN, AMBULANCE, MARACA]


def test_the_bridge_agrees_with_torch(
    graphs: Graphs, crops: np.ndarray, golden: dict[str, np.ndarray]
) -> None:
    embeddings = graphs.bridge(graphs.see(crops)[1])

    np.testing.assert_allclose((embeddings * golden["name"]).sum(1), 1, atol=1e-3)


def test_the_text_encoder_agrees_with_torch(graphs: Graphs, golden: dict[str, np.ndarray]) -> None:
    np.testing.assert_allclose(graphs.read(["cat", "kitten", "car"]), golden["read"], atol=1e-4)
    plain = golden["sentence"]
    assert plain[0] @ plain[1] == pytest.approx(0.788, abs=1e-3)  # as the transformers library has it
    assert plain[0] @ plain[2] == pytest.approx(0.463, abs=1e-3)


def test_all_embeddings_have_length_one(graphs: Graphs, crops: np.ndarray) -> None:
    embeddings, logits = graphs.see(crops)
    for vectors in (embeddings, graphs.bridge(logits), graphs.read(["a", "b c", "d" * 400])):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_blank_picture_has_an_embedding_without_nan(graphs: Graphs) -> None:
    for value in (0, 255):
        embeddings, logits = graphs.see(np.full((1, 224, 224, 3), value, dtype=np.uint8))
        assert np.isfinite(embeddings).all()
        assert np.isfinite(graphs.bridge(logits)).all()


def test_a_result_does_not_depend_on_its_batch(graphs: Graphs, crops: np.ndarray) -> None:
    embeddings, logits = graphs.see(crops)
    for row in range(len(crops)):
        alone, alone_logits = graphs.see(crops[row : row + 1])
        np.testing.assert_allclose(alone[0], embeddings[row], atol=1e-6)
        np.testing.assert_allclose(graphs.bridge(alone_logits)[0], graphs.bridge(logits)[row], atol=1e-6)


def test_a_text_means_the_same_beside_a_longer_one(graphs: Graphs) -> None:
    beside = graphs.read(["goldfinch", "a small yellow bird with black wings and a very long description"])

    np.testing.assert_allclose(graphs.read(["goldfinch"])[0], beside[0], atol=1e-6)


def test_a_picture_stands_nearer_to_its_name_than_to_others(graphs: Graphs, crops: np.ndarray) -> None:
    similarity = (
        graphs.bridge(graphs.see(crops)[1]) @ graphs.read(["penguin", "ambulance", "maracas", "tulip"]).T
    )

    assert similarity.argmax(1).tolist() == [0, 1, 2]


def test_two_artists_penguins_are_nearer_than_a_penguin_and_an_owl(graphs: Graphs) -> None:
    noto, twemoji, owl = graphs.see(
        np.stack([crop("noto/1f427.png"), crop("twemoji/1f427.png"), crop("twemoji/1f989.png")])
    )[0]

    assert noto @ twemoji > noto @ owl + 0.1
