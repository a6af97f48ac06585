from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.manifest import Manifest
from models.evaluation.encoders import STORE, Encoder, Model, NoSuchModel, packaged_files, raw, trained
from models.evaluation.subjects import Encoded, Pixels, Pooled
from models.files import digest
from tests.unit.models.data.sets import row


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return raw()


def pictures(folder: Path) -> Manifest:
    rows = []
    for name, colour in (("red", "red"), ("green", "green"), ("blue", "blue")):
        made = row(folder, name)
        Image.new("RGB", (32, 32), colour).save(folder / made.path)
        rows.append(replace(made, sha256=digest(folder / made.path)))
    return Manifest("colours", folder, tuple(rows))


def test_a_model_that_is_not_in_the_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoSuchModel, match="no model fovea-global"):
        trained(tmp_path)


def test_a_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "tiny" / "1"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text('[[external]]\nrole = "weights"\npackage = "no_such"\npath = "a"\n')

    with pytest.raises(NoSuchModel, match="no_such is not installed"):
        packaged_files("tiny", tmp_path)


def test_only_outputs_with_one_row_an_input_are_embeddings() -> None:
    image = Model("efficientnet-lite0")
    assert image.spaces == {"embeddings": "visual"}
    assert image.dim("visual") == 2792
    assert Model("conse-imagenet-minilm", STORE).spaces == {"embeddings": "name"}


def test_the_packaged_models_see_pictures_among_pictures_and_among_names(encoder: Encoder) -> None:
    seen = encoder.see(np.zeros((17, 224, 224, 3), dtype=np.uint8))

    assert {space: found.shape for space, found in seen.items()} == {"visual": (17, 2792), "name": (17, 384)}
    assert encoder.read(["cat"] * 17).shape == (17, 384)


def test_what_was_seen_once_is_read_from_the_cache_when_the_files_are_gone(
    encoder: Encoder, tmp_path: Path
) -> None:
    colours = pictures(tmp_path)
    first = Encoded("raw", encoder, tmp_path / "cache").see(colours)
    for each in colours.rows:
        colours.file(each).unlink()

    again = Encoded("raw", encoder, tmp_path / "cache").see(colours)

    np.testing.assert_array_equal(first.visual, again.visual)
    assert again.name is not None


def test_the_baselines_are_unit_norm_and_know_no_names(encoder: Encoder, tmp_path: Path) -> None:
    colours = pictures(tmp_path)
    pooled = Pooled(Encoded("raw", encoder, tmp_path / "cache"))
    pixels = Pixels(tmp_path / "cache")

    for subject, dim in ((pooled, 2024), (pixels, 768)):
        seen = subject.see(colours)
        assert seen.visual.shape == (3, dim)
        np.testing.assert_allclose(np.linalg.norm(seen.visual, axis=1), 1, atol=1e-5)
        assert seen.name is None
