"""What every image and text encoder of encoding must do. The fakes and the real ones both pass this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer as PackagedTokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from models.text.tokenizer import Tokenizer
from services.encoding.adapters.models import ModelImageEncoder, ModelTextEncoder
from services.encoding.ports import ImageEncoder, TextEncoder
from tests.fakes.encoding import HashingTextEncoder, MeanColourEncoder, unit_rows
from tests.fakes.models import FunctionModels

WORDS = ("wren", "robin", "brown", "bird")
Tensors = Mapping[str, np.ndarray]


def seen(tensors: Tensors) -> Tensors:
    means = tensors["crops"].mean(axis=(1, 2))
    return {"embeddings": unit_rows(means + 1), "logits": means.astype(np.float32)}


def bridged(tensors: Tensors) -> Tensors:
    return {"embeddings": unit_rows(tensors["logits"][:, ::-1] + 1)}


def read(tensors: Tensors) -> Tensors:
    ids = tensors["input_ids"] * tensors["attention_mask"]
    counts = np.stack([(ids == word).sum(axis=1) for word in range(1, len(WORDS) + 1)], axis=1)
    return {"embeddings": unit_rows(counts + 0.01)}


MODELS = FunctionModels({"eyes": seen, "bridge": bridged, "reader": read})


def tokenizer(folder: Path) -> Tokenizer:
    packaged = PackagedTokenizer(WordLevel({word: i + 1 for i, word in enumerate(WORDS)}, unk_token=WORDS[0]))
    packaged.pre_tokenizer = Whitespace()
    packaged.save(str(folder / "tokenizer.json"))
    return Tokenizer.from_file(folder / "tokenizer.json")


IMAGE_ENCODERS: Mapping[str, Callable[[], ImageEncoder]] = {
    "fake": MeanColourEncoder,
    "model": lambda: ModelImageEncoder(MODELS, name="eyes", bridge="bridge"),
}


@pytest.fixture(params=IMAGE_ENCODERS)
def eyes(request: pytest.FixtureRequest) -> ImageEncoder:
    return IMAGE_ENCODERS[request.param]()


@pytest.fixture(params=["fake", "model"])
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> TextEncoder:
    if request.param == "fake":
        return HashingTextEncoder()
    return ModelTextEncoder(MODELS, name="reader", tokenizer=tokenizer(tmp_path))


def plain(*colours: Sequence[int]) -> np.ndarray:
    crops: np.ndarray = np.zeros((len(colours), 8, 8, 3), dtype=np.uint8)
    for crop, colour in zip(crops, colours, strict=True):
        crop[:] = colour
    return crops


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def test_an_image_encoder_gives_unit_rows_in_each_space_once(eyes: ImageEncoder) -> None:
    spaces = eyes.encode(plain(RED, GREEN, BLUE))

    assert [vectors.space for vectors in spaces] == ["visual", "name"]
    for vectors in spaces:
        assert len(vectors.rows) == 3
        np.testing.assert_allclose(np.linalg.norm(vectors.rows, axis=1), 1, rtol=1e-6)


def test_an_image_encoder_keeps_the_order_and_no_row_depends_on_its_batch(eyes: ImageEncoder) -> None:
    for together, green, red in zip(
        eyes.encode(plain(GREEN, RED)), eyes.encode(plain(GREEN)), eyes.encode(plain(RED)), strict=True
    ):
        np.testing.assert_allclose(together.rows, np.concatenate([green.rows, red.rows]), rtol=1e-6)
        assert (green.rows != red.rows).any()


def test_an_image_encoder_names_the_models_that_took_part(eyes: ImageEncoder) -> None:
    assert tuple(vectors.encoder for vectors in eyes.encode(plain(RED))) == eyes.models()
    assert all("@" in model for model in eyes.models())


def test_a_text_encoder_gives_unit_rows_in_the_space_of_names(reader: TextEncoder) -> None:
    vectors = reader.encode(["wren", "brown bird"])

    assert (vectors.space, (vectors.encoder,)) == ("name", reader.models())
    np.testing.assert_allclose(np.linalg.norm(vectors.rows, axis=1), 1, rtol=1e-6)


def test_a_text_encoder_keeps_the_order_and_no_row_depends_on_its_batch(reader: TextEncoder) -> None:
    together = reader.encode(["robin", "a brown brown bird"]).rows

    np.testing.assert_allclose(together[0], reader.encode(["robin"]).rows[0], rtol=1e-6)
    np.testing.assert_allclose(together[1], reader.encode(["a brown brown bird"]).rows[0], rtol=1e-6)
    assert (together[0] != together[1]).any()
