"""Tiny checkpoints of each family, imported and run as serving runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import CLIPModel, CLIPTokenizer, SiglipModel, SiglipTokenizer

from infra.triton.config import Serving
from infra.triton.repository import render
from models.importer.export import TOLERANCE
from models.importer.measuring import settings_of
from models.importer.pictures import Pictures
from models.importer.work import import_checkpoint
from models.vision.preparation import prepare
from services.runtime.model_execution.store import ModelStore
from tests.models.importer import checkpoints
from tests.models.importer.conftest import Shelf

TEXTS = ["a photo of a Goldfinch!", "two cats", "rain"]


def crops(count: int = 5) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def pixels(images: np.ndarray, mean: Any, std: Any) -> torch.Tensor:
    """Return bytes as a checkpoint of these constants wants them, by its published formula."""
    scaled = (images / 255 - np.array(mean)) / np.array(std)
    return torch.from_numpy(scaled.transpose(0, 3, 1, 2).astype(np.float32))


def unit(rows: Any) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


@pytest.mark.parametrize(("family", "towers"), [("clip", 2), ("openclip", 2), ("siglip", 2), ("dinov2", 1)])
def test_each_family_is_imported_and_agrees_with_transformers(shelf: Shelf, family: str, towers: int) -> None:
    found = shelf.towers[family]

    assert len(found) == towers
    for tower in found:
        assert max(tower.parity.random, tower.parity.real) <= TOLERANCE
    assert found[0].parity.whole is not None
    assert found[0].parity.whole > 0.999
    assert [tower.rows[0].name for tower in found] == [f"{family}-vision", f"{family}-text"][:towers]


def test_a_clip_s_towers_meet_in_one_space_and_compute_what_it_computes(shelf: Shelf) -> None:
    model = CLIPModel.from_pretrained(shelf.checkpoints / "clip")
    images = crops()
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

    seen = shelf.run("clip-vision", {"crops": images})
    read = shelf.run("clip-text", shelf.tokens("clip-text", TEXTS))

    given = CLIPTokenizer.from_pretrained(shelf.checkpoints / "clip")(
        TEXTS, padding=True, return_tensors="pt"
    )
    with torch.inference_mode():
        looks = model.get_image_features(pixels(images, mean, std)).pooler_output.numpy()
        names = model.get_text_features(**given).pooler_output.numpy()
    np.testing.assert_allclose(seen["embeddings"], unit(looks), atol=1e-5)
    np.testing.assert_array_equal(seen["names"], seen["embeddings"])
    np.testing.assert_allclose(read["embeddings"], unit(names), atol=1e-5)
    assert shelf.open("clip-vision").spaces() == {"embeddings": "clip", "names": "clip.names"}
    assert shelf.open("clip-text").spaces() == {"embeddings": "clip.names"}
    assert shelf.open("clip-text").description.name_templates == ("a photo of a {}.",)


def test_a_siglip_reads_without_case_and_punctuation_in_rows_of_one_length(shelf: Shelf) -> None:
    model = SiglipModel.from_pretrained(shelf.checkpoints / "siglip")

    given = shelf.tokens("siglip-text", TEXTS)
    read = shelf.run("siglip-text", given)["embeddings"]

    wanted = SiglipTokenizer.from_pretrained(shelf.checkpoints / "siglip")(
        TEXTS, padding="max_length", max_length=checkpoints.TOKENS, truncation=True, return_tensors="pt"
    )["input_ids"]
    np.testing.assert_array_equal(given["input_ids"], wanted)
    with torch.inference_mode():
        names = model.get_text_features(input_ids=wanted).pooler_output.numpy()
    np.testing.assert_allclose(read, unit(names), atol=1e-5)
    plain = shelf.run("siglip-text", shelf.tokens("siglip-text", ["a photo of a goldfinch"]))["embeddings"]
    np.testing.assert_allclose(plain[0], read[0], atol=1e-6)
    steps = json.loads(shelf.open("siglip-text").external("tokenizer").read_text())["normalizer"]
    assert steps["normalizers"][0] == {"type": "Lowercase"}


def test_an_openclip_computes_what_its_own_structure_says(shelf: Shelf, tmp_path: Path) -> None:
    model = checkpoints.openclip(tmp_path / "again")
    images = crops()

    seen = shelf.run("openclip-vision", {"crops": images})["embeddings"]
    given = shelf.tokens("openclip-text", TEXTS)
    read = shelf.run("openclip-text", given)["embeddings"]

    with torch.inference_mode():
        looks = model.pictures(pixels(images, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))).numpy()
        names = model.texts(torch.from_numpy(given["input_ids"])).numpy()
    np.testing.assert_allclose(seen, looks, atol=1e-5)
    np.testing.assert_allclose(read, names, atol=1e-5)
    assert shelf.open("openclip-vision").description.title == "OpenCLIP image encoder from openclip"


def test_a_dinov2_is_asked_at_the_size_of_its_processor(shelf: Shelf) -> None:
    folder = shelf.open("dinov2-vision")

    assert folder.description.inputs[0].shape == (-1, 32, 32, 3)
    assert folder.description.crops is not None
    assert (folder.description.crops.fit, folder.description.crops.resize_px) == ("cover", 40)
    assert folder.spaces() == {"embeddings": "dinov2"}
    image = np.random.default_rng(0).integers(0, 256, (50, 80, 3), dtype=np.uint8)
    crop = prepare(image, settings=settings_of(folder.description.model_dump()))
    assert shelf.run("dinov2-vision", {"crops": crop[None]})["embeddings"].shape == (1, 32)


def test_weights_in_several_files_are_the_same_weights(
    shelf: Shelf, tmp_path: Path, pictures: Pictures
) -> None:
    parted = checkpoints.dinov2(tmp_path / "parted")
    checkpoints.shard(parted)

    import_checkpoint(parted, tmp_path / "store", name="parted", kinds=(), pictures=pictures)

    here = Shelf(tmp_path, tmp_path / "store", {})
    np.testing.assert_array_equal(
        here.run("parted-vision", {"crops": crops()})["embeddings"],
        shelf.run("dinov2-vision", {"crops": crops()})["embeddings"],
    )


def test_a_checkpoint_in_half_precision_is_computed_in_single(tmp_path: Path, pictures: Pictures) -> None:
    folder = checkpoints.dinov2(tmp_path / "checkpoint")
    checkpoints.halve(folder)

    (tower,) = import_checkpoint(folder, tmp_path / "store", name="half", kinds=(), pictures=pictures)

    assert tower.parity.real <= TOLERANCE


def test_large_weights_lie_beside_the_graph_and_variants_say_what_they_lose(
    tmp_path: Path, pictures: Pictures
) -> None:
    folder = checkpoints.clip(tmp_path / "checkpoint", inner=50_000)

    towers = import_checkpoint(
        folder, tmp_path / "store", name="large", kinds=("fp16", "int8"), pictures=pictures
    )

    for tower in towers:
        assert max(tower.parity.random, tower.parity.real) <= TOLERANCE
        whole, half, small = tower.rows
        assert (half.name, small.name) == (f"{whole.name}-fp16", f"{whole.name}-int8")
        assert half.megabytes < 0.6 * whole.megabytes
        assert small.megabytes < 0.4 * whole.megabytes
        assert half.loss is not None
        assert half.loss.cosine > 0.99999
        assert small.loss is not None
        assert 0.98 < small.loss.cosine < 0.999999
    assert towers[0].rows[2].loss is not None
    assert towers[0].rows[2].loss.asked == 12
    here = Shelf(tmp_path, tmp_path / "store", {})
    assert here.open("large-vision").external("weights").name == "weights.safetensors"
    assert here.open("large-text-int8").external("tokenizer").name == "tokenizer.json"
    assert (here.open("large-vision").path / "model.onnx").stat().st_size < 2_000_000

    render(ModelStore(here.store), tmp_path / "repository", Serving(backend="python"))

    for name in ("large-vision", "large-vision-fp16", "large-vision-int8"):
        np.testing.assert_allclose(
            checkpoints.rendered(tmp_path / "repository" / name / "1", crops()),
            here.run(name, {"crops": crops()})["embeddings"],
            atol=1e-5,
        )
    config = (tmp_path / "repository" / "large-vision" / "config.pbtxt").read_text()
    assert 'name: "crops" data_type: TYPE_UINT8 dims: [ 32, 32, 3 ]' in config


def test_the_card_has_licence_preparation_what_was_checked_and_measured(shelf: Shelf) -> None:
    folder = shelf.open("dinov2-vision")

    card = (folder.path / "README.md").read_text()

    assert folder.description.licence == "apache-2.0"
    assert "| licence | apache-2.0 |" in card
    assert "from transformers on random inputs" in card
    assert "| dinov2-vision | 0." in card
    assert "shorter side to 40 pixels, the middle 32 x 32 cut out, bicubic" in card
