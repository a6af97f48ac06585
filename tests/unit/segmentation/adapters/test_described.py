from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from services.kernel.errors import Corrupt, NotFound, Unsupported
from services.kernel.vocabulary import PromptKind
from services.runtime.model_execution.opening import OpenedModels
from services.runtime.model_execution.store import ModelStore
from services.segmentation.adapters.described import detection
from services.segmentation.settings import SegmentationSettings

STORE = SegmentationSettings().model_folder
NAME = "fovea-detector"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A model folder with what finding needs, whose descriptions may be changed."""
    for name in (NAME, "fovea-detector-text", "fovea-text", "fovea-global"):
        shutil.copytree(STORE / name, tmp_path / name)
    return tmp_path


def opened(store: Path) -> OpenedModels:
    return OpenedModels(ModelStore(store))


def change(store: Path, before: str, after: str) -> None:
    described = store / NAME / "1" / "model.toml"
    text = described.read_text(encoding="utf-8")
    assert before in text
    described.write_text(text.replace(before, after), encoding="utf-8")


def test_the_shipped_detector_says_by_what_prompts_are_read_and_scored() -> None:
    found = detection(NAME, opened(STORE))

    assert (found.detector, found.scorer, found.reading.name) == (NAME, f"{NAME}-text", "fovea-text")
    assert found.exemplars is not None
    assert found.exemplars.name == "fovea-global"
    assert (found.side_px, found.dimensions) == (384, 640)
    assert found.thresholds.keys() == set(PromptKind)
    assert found.wanted.names == {NAME, f"{NAME}-text", "fovea-text", "fovea-global"}


def test_a_detector_may_look_for_texts_alone(store: Path) -> None:
    change(store, 'exemplar_model = "fovea-global"', "")

    found = detection(NAME, opened(store))

    assert found.exemplars is None
    assert found.second_look is None
    assert "fovea-global" not in found.wanted.names


def test_the_shipped_detector_looks_twice_and_has_thresholds_for_either_way() -> None:
    found = detection(NAME, opened(STORE))

    assert found.second_look is not None
    assert found.second_look.most == 12
    assert found.second_thresholds.keys() == {PromptKind.NAME, PromptKind.EXEMPLAR}
    assert found.second_thresholds[PromptKind.NAME] != found.thresholds[PromptKind.NAME]


def test_a_detector_may_look_once(store: Path) -> None:
    described = store / NAME / "1" / "model.toml"
    text = described.read_text(encoding="utf-8")
    described.write_text(text.partition("[detection.second_look]")[0], encoding="utf-8")

    found = detection(NAME, opened(store))

    assert found.second_look is None
    assert not found.second_thresholds


def test_a_second_look_needs_no_names_at_large(store: Path) -> None:
    described = store / NAME / "1" / "model.toml"
    text = described.read_text(encoding="utf-8").partition("[[files]]")[0]
    described.write_text(re.sub("^near = .*$", "", text, flags=re.MULTILINE), encoding="utf-8")

    found = detection(NAME, opened(store))

    assert found.second_look is not None
    assert found.second_look.near == 0
    assert not found.second_look.names.size


def test_names_at_large_lie_where_texts_do(store: Path) -> None:
    path = store / NAME / "1" / "names.npy"
    before = path.read_bytes()
    np.save(path, np.ones((3, 8), np.float16))
    change(store, hashlib.sha256(before).hexdigest(), hashlib.sha256(path.read_bytes()).hexdigest())
    change(store, f"size_bytes = {len(before)}", f"size_bytes = {path.stat().st_size}")

    with pytest.raises(Corrupt, match="8 numbers, and texts have 640"):
        detection(NAME, opened(store))


def test_a_second_look_at_no_place_is_refused(store: Path) -> None:
    change(store, "most = 12", "most = 0")

    with pytest.raises(Corrupt, match="most"):
        detection(NAME, opened(store))


def test_an_encoder_of_exemplars_has_to_see_where_texts_lie(store: Path) -> None:
    seen = store / "fovea-global" / "1" / "model.toml"
    text = seen.read_text(encoding="utf-8")
    seen.write_text(text.replace('space = "name"', 'space = "elsewhere"'), encoding="utf-8")

    with pytest.raises(Unsupported, match="does not see into the space name"):
        detection(NAME, opened(store))


def test_a_model_without_the_table_is_no_detector(store: Path) -> None:
    described = store / NAME / "1" / "model.toml"
    text = described.read_text(encoding="utf-8")
    described.write_text(text.partition("[detection]")[0], encoding="utf-8")

    with pytest.raises(Unsupported, match="is no detector"):
        detection(NAME, opened(store))


def test_a_threshold_that_is_no_probability_is_refused(store: Path) -> None:
    change(store, "[detection.thresholds]\nname = ", "[detection.thresholds]\nname = 7")

    with pytest.raises(Corrupt, match="thresholds"):
        detection(NAME, opened(store))


def test_what_reads_texts_has_to_be_there(store: Path) -> None:
    shutil.rmtree(store / "fovea-text")

    with pytest.raises(NotFound, match="fovea-text"):
        detection(NAME, opened(store))
