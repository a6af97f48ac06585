"""Tiny checkpoints of each family, imported and run as serving runs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from prometheus_client import CollectorRegistry
from transformers import CLIPModel, CLIPTokenizer, SiglipModel, SiglipTokenizer

from infra.triton.config import Serving
from infra.triton.repository import render
from models.importer.export import TOLERANCE
from models.importer.measuring import settings_of
from models.importer.pictures import Pictures
from models.importer.work import Imported, import_checkpoint
from models.text.tokenizer import Tokenizer
from models.vision.preparation import prepare
from services.runtime.metrics import ModelMetrics
from services.runtime.model_execution.onnx import OnnxModels
from services.runtime.model_execution.store import ModelStore
from tests.models.importer import checkpoints
from tests.models.importer.conftest import Import

TEXTS = ["a photo of a Goldfinch!", "two cats", "rain"]


def run(store: Path, name: str, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what serving's own execution makes of it."""
    folder = ModelStore(store).open(name)
    return dict(OnnxModels([folder], metrics=ModelMetrics(CollectorRegistry())).run(name, tensors))


def tokens(store: Path, name: str, texts: list[str]) -> dict[str, np.ndarray]:
    """Return the texts as serving reads them."""
    folder = ModelStore(store).open(name)
    assert folder.description.texts is not None
    return Tokenizer.from_file(folder.external("tokenizer"), **folder.description.texts.model_dump())(
        texts
    ).tensors()


def crops(count: int = 5) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def pixels(images: np.ndarray, mean: Any, std: Any) -> torch.Tensor:
    """Return bytes as a checkpoint of these constants wants them, by its published formula."""
    scaled = (images / 255 - np.array(mean)) / np.array(std)
    return torch.from_numpy(scaled.transpose(0, 3, 1, 2).astype(np.float32))


def unit(rows: Any) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


@pytest.mark.parametrize(
    ("write", "towers"),
    [(checkpoints.clip, 2), (checkpoints.siglip, 2), (checkpoints.dinov2, 1), (checkpoints.openclip, 2)],
)
def test_each_family_is_imported_and_agrees_with_transformers(
    tmp_path: Path, importing: Import, write: Callable[[Path], object], towers: int
) -> None:
    write(tmp_path / "checkpoint")

    imported = importing(tmp_path / "checkpoint")

    assert len(imported) == towers
    for tower in imported:
        assert max(tower.parity.random, tower.parity.real) <= TOLERANCE
    whole = imported[0].parity.whole
    assert whole is not None
    assert whole > 0.999
    store = ModelStore(tmp_path / "store")
    assert store.names() == ("tiny-text", "tiny-vision")[2 - towers :]
    assert (tmp_path / "store" / "tiny-vision" / "1" / "README.md").read_text().startswith("# ")


def test_a_clip_s_towers_meet_in_one_space_and_compute_what_it_computes(
    tmp_path: Path, importing: Import
) -> None:
    model = CLIPModel.from_pretrained(checkpoints.clip(tmp_path / "checkpoint"))
    importing(tmp_path / "checkpoint")
    store = tmp_path / "store"
    images = crops()
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

    seen = run(store, "tiny-vision", {"crops": images})
    read = run(store, "tiny-text", tokens(store, "tiny-text", TEXTS))

    given = CLIPTokenizer.from_pretrained(tmp_path / "checkpoint")(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        looks = model.get_image_features(pixels(images, mean, std)).pooler_output.numpy()
        names = model.get_text_features(**given).pooler_output.numpy()
    np.testing.assert_allclose(seen["embeddings"], unit(looks), atol=1e-5)
    np.testing.assert_array_equal(seen["names"], seen["embeddings"])
    np.testing.assert_allclose(read["embeddings"], unit(names), atol=1e-5)
    folders = ModelStore(store)
    assert folders.open("tiny-vision").spaces() == {"embeddings": "tiny", "names": "tiny.names"}
    assert folders.open("tiny-text").spaces() == {"embeddings": "tiny.names"}


def test_a_siglip_reads_without_case_and_punctuation_in_rows_of_one_length(
    tmp_path: Path, importing: Import
) -> None:
    model = SiglipModel.from_pretrained(checkpoints.siglip(tmp_path / "checkpoint"))
    importing(tmp_path / "checkpoint")
    store = tmp_path / "store"

    given = tokens(store, "tiny-text", TEXTS)
    read = run(store, "tiny-text", given)["embeddings"]

    wanted = SiglipTokenizer.from_pretrained(tmp_path / "checkpoint")(
        TEXTS, padding="max_length", max_length=checkpoints.TOKENS, truncation=True, return_tensors="pt"
    )["input_ids"]
    np.testing.assert_array_equal(given["input_ids"], wanted)
    with torch.inference_mode():
        names = model.get_text_features(input_ids=wanted).pooler_output.numpy()
    np.testing.assert_allclose(read, unit(names), atol=1e-5)
    plain = run(store, "tiny-text", tokens(store, "tiny-text", ["a photo of a goldfinch"]))["embeddings"]
    np.testing.assert_allclose(plain[0], read[0], atol=1e-6)


def test_an_openclip_computes_what_its_own_structure_says(tmp_path: Path, importing: Import) -> None:
    model = checkpoints.openclip(tmp_path / "checkpoint")
    importing(tmp_path / "checkpoint")
    store = tmp_path / "store"
    images = crops()

    seen = run(store, "tiny-vision", {"crops": images})["embeddings"]
    given = tokens(store, "tiny-text", TEXTS)
    read = run(store, "tiny-text", given)["embeddings"]

    with torch.inference_mode():
        looks = model.pictures(pixels(images, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))).numpy()
        names = model.texts(torch.from_numpy(given["input_ids"])).numpy()
    np.testing.assert_allclose(seen, looks, atol=1e-5)
    np.testing.assert_allclose(read, names, atol=1e-5)


def test_a_dinov2_is_asked_at_the_size_of_its_processor(tmp_path: Path, importing: Import) -> None:
    importing(checkpoints.dinov2(tmp_path / "checkpoint"))
    folder = ModelStore(tmp_path / "store").open("tiny-vision")

    assert folder.description.inputs[0].shape == (-1, 32, 32, 3)
    assert folder.description.crops is not None
    assert (folder.description.crops.fit, folder.description.crops.resize_px) == ("cover", 40)
    assert folder.spaces() == {"embeddings": "tiny"}
    image = np.random.default_rng(0).integers(0, 256, (50, 80, 3), dtype=np.uint8)
    crop = prepare(image, settings=settings_of(folder.description.model_dump()))
    assert run(tmp_path / "store", "tiny-vision", {"crops": crop[None]})["embeddings"].shape == (1, 32)


def test_weights_in_several_files_are_the_same_weights(tmp_path: Path, pictures: Pictures) -> None:
    whole, parted = (checkpoints.dinov2(tmp_path / name) for name in ("whole", "parted"))
    checkpoints.shard(parted)
    for path in (whole, parted):
        import_checkpoint(path, tmp_path / "store", name=path.name, kinds=(), pictures=pictures)

    first, second = (
        run(tmp_path / "store", f"{name}-vision", {"crops": crops()})["embeddings"]
        for name in ("whole", "parted")
    )

    np.testing.assert_array_equal(first, second)


def test_a_checkpoint_in_half_precision_is_computed_in_single(tmp_path: Path, importing: Import) -> None:
    folder = checkpoints.dinov2(tmp_path / "checkpoint")
    checkpoints.halve(folder)

    (tower,) = importing(folder)

    assert tower.parity.real <= TOLERANCE


def test_large_weights_lie_beside_the_graph_and_triton_finds_them(tmp_path: Path, importing: Import) -> None:
    imported = importing(checkpoints.clip(tmp_path / "checkpoint", inner=50_000))
    store = ModelStore(tmp_path / "store")
    folder = store.open("tiny-vision")

    render(store, tmp_path / "repository", Serving(backend="python"))

    assert max(tower.parity.real for tower in imported) <= TOLERANCE
    assert (folder.path / "model.onnx").stat().st_size < 2_000_000
    assert folder.external("weights") == folder.path / "weights.safetensors"
    images = crops()
    here = run(tmp_path / "store", "tiny-vision", {"crops": images})["embeddings"]
    np.testing.assert_allclose(
        checkpoints.rendered(tmp_path / "repository" / "tiny-vision" / "1", images), here, atol=1e-5
    )
    config = (tmp_path / "repository" / "tiny-vision" / "config.pbtxt").read_text()
    assert 'name: "crops" data_type: TYPE_UINT8 dims: [ 32, 32, 3 ]' in config


def test_a_licence_that_the_card_states_is_written_down(tmp_path: Path, importing: Import) -> None:
    folder = checkpoints.dinov2(tmp_path / "checkpoint")
    (folder / "README.md").write_text("---\ntags:\n- vision\nlicense: apache-2.0\n---\n# DINO\n")

    importing(folder)

    model = ModelStore(tmp_path / "store").open("tiny-vision")
    assert model.description.licence == "apache-2.0"
    assert "| licence | apache-2.0 |" in (model.path / "README.md").read_text()


def test_variants_say_what_they_lose_and_are_models_of_their_own(tmp_path: Path, pictures: Pictures) -> None:
    folder = checkpoints.clip(tmp_path / "checkpoint", inner=4_000)

    vision, text = import_checkpoint(
        folder, tmp_path / "store", name="tiny", kinds=("fp16", "int8"), pictures=pictures
    )

    for tower in (vision, text):
        whole, half, small = tower.rows
        assert (half.name, small.name) == (f"{whole.name}-fp16", f"{whole.name}-int8")
        assert half.megabytes < 0.6 * whole.megabytes
        assert small.megabytes < 0.5 * whole.megabytes
        assert half.loss is not None
        assert half.loss.cosine > 0.99999
        assert small.loss is not None
        assert 0.98 < small.loss.cosine < 0.999999
    assert vision.rows[2].loss is not None
    assert vision.rows[2].loss.asked == 12
    store = ModelStore(tmp_path / "store")
    assert len(store.names()) == 6
    assert store.open("tiny-text-int8").external("tokenizer").name == "tokenizer.json"
    for name in ("tiny-vision", "tiny-vision-int8"):
        assert run(tmp_path / "store", name, {"crops": crops()})["names"].shape == (5, 24)


def test_the_card_has_what_was_checked_and_measured(tmp_path: Path, importing: Import) -> None:
    importing(checkpoints.dinov2(tmp_path / "checkpoint"))

    card = (tmp_path / "store" / "tiny-vision" / "1" / "README.md").read_text()

    assert "from transformers on random inputs" in card
    assert "| tiny-vision | 0." in card
    assert "shorter side to 40 pixels, the middle 32 x 32 cut out, bicubic" in card


def test_the_tokenizer_s_file_holds_the_rules_that_siglip_has_in_python(
    tmp_path: Path, importing: Import
) -> None:
    importing(checkpoints.siglip(tmp_path / "checkpoint"))

    file = ModelStore(tmp_path / "store").open("tiny-text").external("tokenizer")

    steps = json.loads(file.read_text())["normalizer"]["normalizers"]
    assert steps[0]["type"] == "Lowercase"


def test_towers_can_be_told_apart_by_their_card(tmp_path: Path, importing: Import) -> None:
    vision, text = importing(checkpoints.clip(tmp_path / "checkpoint"))

    assert isinstance(vision, Imported)
    titles = [ModelStore(tmp_path / "store").open(t.rows[0].name).description.title for t in (vision, text)]
    assert titles == ["CLIP image encoder from checkpoint", "CLIP text encoder from checkpoint"]
