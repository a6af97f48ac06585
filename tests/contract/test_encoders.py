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
from models.vision.local_encoder.reading import FeatureMaps
from services.encoding.adapters.described import TiledSight
from services.encoding.adapters.models import ModelMapEncoder
from services.encoding.domain import TileShape
from services.encoding.ports import ImageEncoder, MapEncoder
from services.kernel.texts import TextEncoder
from services.runtime.model_execution.crops import ModelImageEncoder, Sight
from services.runtime.model_execution.texts import ModelTextEncoder, Reading
from tests.fakes.encoding import HashingTextEncoder, MeanColourEncoder, PaintedMapEncoder, unit_rows
from tests.fakes.models import FunctionModels

WORDS = ("wren", "robin", "brown", "bird")
Tensors = Mapping[str, np.ndarray]


def seen(tensors: Tensors) -> Tensors:
    means = tensors["crops"].mean(axis=(1, 2))
    rows = unit_rows(means + 1)
    return {"embeddings": rows, "names": rows[:, ::-1].copy(), "logits": means.astype(np.float32)}


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
    "model": lambda: ModelImageEncoder(MODELS, Sight("eyes", {"embeddings": "visual", "names": "name"})),
    "model and bridge": lambda: ModelImageEncoder(
        MODELS, Sight("eyes", {"embeddings": "visual"}), bridge="bridge"
    ),
}


@pytest.fixture(params=IMAGE_ENCODERS)
def eyes(request: pytest.FixtureRequest) -> ImageEncoder:
    return IMAGE_ENCODERS[request.param]()


@pytest.fixture(params=["fake", "model"])
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> TextEncoder:
    if request.param == "fake":
        return HashingTextEncoder()
    return ModelTextEncoder(MODELS, Reading("reader", tokenizer(tmp_path), "embeddings", "name"))


def patched(tensors: Tensors) -> Tensors:
    cells = tensors["tiles"].reshape(-1, 4, 16, 4, 16, 3).mean(axis=(2, 4))
    return {"patches": cells.astype(np.float32)}


def pointed(tensors: Tensors) -> Tensors:
    """Read the mean of the cells that a region's points lie in; each tensor is of one image."""
    (local,), (points,), (overview,) = tensors["local"], tensors["points"], tensors["overview"]
    assert overview.shape == (4, 4, 3)
    rows, columns = ((points[..., axis] * local.shape[1 - axis]).astype(int) for axis in (1, 0))
    means = (local[rows, columns] * points[..., 2:]).sum(axis=1) / points[..., 2].sum(axis=1, keepdims=True)
    return {"embeddings": unit_rows(means + 1)[None]}


TILED = TiledSight(
    "eyes", "reader", TileShape(64, 4, 4), {"embeddings": "visual"}, {"embeddings": "colours@1"}
)
MAP_ENCODERS: Mapping[str, Callable[[], MapEncoder]] = {
    "fake": PaintedMapEncoder,
    "model": lambda: ModelMapEncoder(FunctionModels({"eyes": patched, "reader": pointed}), TILED),
}


@pytest.fixture(params=MAP_ENCODERS)
def maps(request: pytest.FixtureRequest) -> MapEncoder:
    return MAP_ENCODERS[request.param]()


def plain(*colours: Sequence[int]) -> np.ndarray:
    crops: np.ndarray = np.zeros((len(colours), 8, 8, 3), dtype=np.uint8)
    for crop, colour in zip(crops, colours, strict=True):
        crop[:] = colour
    return crops


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def test_an_image_encoder_gives_unit_rows_in_each_space_once(eyes: ImageEncoder) -> None:
    spaces = eyes.encode(plain(RED, GREEN, BLUE))

    assert tuple(vectors.space for vectors in spaces) == eyes.spaces() == ("visual", "name")
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
    assert {vectors.encoder for vectors in eyes.encode(plain(RED))} == set(eyes.models())
    assert eyes.encode(plain(RED))[0].encoder == eyes.models()[0]
    assert all("@" in model for model in eyes.models())


def test_a_text_encoder_gives_unit_rows_in_the_space_of_names(reader: TextEncoder) -> None:
    vectors = reader.encode(["wren", "brown bird"])

    assert (vectors.space, (vectors.encoder,)) == (reader.space(), reader.models())
    np.testing.assert_allclose(np.linalg.norm(vectors.rows, axis=1), 1, rtol=1e-6)


def test_a_text_encoder_keeps_the_order_and_no_row_depends_on_its_batch(reader: TextEncoder) -> None:
    together = reader.encode(["robin", "a brown brown bird"]).rows

    np.testing.assert_allclose(together[0], reader.encode(["robin"]).rows[0], rtol=1e-6)
    np.testing.assert_allclose(together[1], reader.encode(["a brown brown bird"]).rows[0], rtol=1e-6)
    assert (together[0] != together[1]).any()


def tiles(*colours: Sequence[int]) -> np.ndarray:
    return np.repeat(np.repeat(plain(*colours), 8, axis=1), 8, axis=2)


def points(*boxes: Sequence[float]) -> np.ndarray:
    found = np.ones((len(boxes), 4, 3), dtype=np.float32)
    for row, (left, top, right, bottom) in zip(found, boxes, strict=True):
        row[:, 0] = (left, right, left, right)
        row[:, 1] = (top, top, bottom, bottom)
    return found


LEFT, RIGHT = (0.1, 0.1, 0.4, 0.9), (0.6, 0.1, 0.9, 0.9)


def test_a_map_encoder_gives_a_small_map_of_each_tile_whatever_goes_with_it(maps: MapEncoder) -> None:
    shape = maps.tile()
    together = maps.see(tiles(RED, GREEN))

    assert together.shape[:3] == (2, shape.rows, shape.columns)
    np.testing.assert_allclose(together[1:], maps.see(tiles(GREEN)), rtol=1e-6)


def test_a_map_encoder_reads_unit_rows_where_its_points_are_in_order(maps: MapEncoder) -> None:
    red, green, small = maps.see(tiles(RED, GREEN, BLUE))
    seen = FeatureMaps(np.concatenate([red, green], axis=1), small)

    (vectors,) = maps.read(seen, points(RIGHT, LEFT))

    assert (vectors.space, (vectors.space,)) == ("visual", maps.spaces())
    np.testing.assert_allclose(np.linalg.norm(vectors.rows, axis=1), 1, rtol=1e-6)
    assert vectors.rows.argmax(axis=1).tolist() == [1, 0]
    alone = maps.read(seen, points(LEFT))[0]
    np.testing.assert_allclose(vectors.rows[1], alone.rows[0], rtol=1e-6)


def test_points_outside_a_region_do_not_count(maps: MapEncoder) -> None:
    red, green = maps.see(tiles(RED, GREEN))
    seen = FeatureMaps(np.concatenate([red, green], axis=1), red)
    both = points((0.1, 0.1, 0.9, 0.9))
    both[0, ::2, 2] = 0  # those on the left

    np.testing.assert_allclose(
        maps.read(seen, both)[0].rows, maps.read(seen, points(RIGHT))[0].rows, rtol=1e-5
    )


def test_a_map_encoder_names_whom_its_vectors_are_comparable_with_and_who_took_part(maps: MapEncoder) -> None:
    seen = maps.see(tiles(RED))[0]

    assert maps.read(FeatureMaps(seen, seen), points(LEFT))[0].encoder == "colours@1"
    assert maps.models()[:1] == maps.map_models()
    assert len(maps.models()) == 2
