"""A data set in COCO JSON is learned from without a line of code."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.export import DESCRIPTION, STORE
from models.segmentation.coco.errors import BadJson
from models.segmentation.coco.reading import CocoSet, read
from models.segmentation.export import DETECTOR, SCORER
from models.segmentation.network import Detector
from models.segmentation.own.train import describe, main, parts, recipe, teach
from models.segmentation.samples import PromptKind
from models.segmentation.settings import DetectorSettings
from models.vision.efficientnet.network import EfficientNetLite0

SMALL = DetectorSettings(
    width=32,
    heads=4,
    points=2,
    hidden=32,
    encoder_layers=1,
    decoder_layers=2,
    fused=32,
    proposals=(8, 8, 8),
    suppressions=4,
    queries=10,
    masks=64,
    aligned=16,
    region_points=3,
    region_kept=8,
    region_hidden=16,
)
PICTURES = 11
NAMES = ("square", "bar", "cat")


def texts(asked: Sequence[str]) -> np.ndarray:
    """Return a vector for each text, far from each other's."""
    rows = [np.random.default_rng(sum(text.encode())).standard_normal(640, np.float32) for text in asked]
    return np.stack([row / np.linalg.norm(row) for row in rows])


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> CocoSet:
    """Pictures of a red square and a blue bar somewhere; no cat is in any."""
    folder = tmp_path_factory.mktemp("mine")
    rng = np.random.default_rng(0)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number in range(PICTURES):
        image = np.full((96, 128, 3), 200, dtype=np.uint8)
        for category, (wide, high), colour in ((1, (30, 30), (200, 20, 20)), (2, (50, 12), (20, 20, 200))):
            left, top = int(rng.integers(128 - wide)), int(rng.integers(96 - high))
            image[top : top + high, left : left + wide] = colour
            corners = [left, top, left + wide, top, left + wide, top + high, left, top + high]
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": category,
                    "bbox": [left, top, wide, high],
                    "segmentation": [corners],
                }
            )
        Image.fromarray(image).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 128, "height": 96})
    categories = [{"id": number, "name": name} for number, name in enumerate(NAMES, 1)]
    said = {"images": images, "categories": categories, "annotations": annotations}
    (folder / "mine.json").write_text(json.dumps(said), encoding="utf-8")
    return read(folder / "mine.json", folder)


def test_every_tenth_picture_is_kept_aside() -> None:
    assert parts(21) == ([n for n in range(21) if n not in (0, 10, 20)], [0, 10, 20])
    assert parts(3) == ([0, 1, 2], [0, 1, 2])


def test_a_detector_learns_and_goes_on_where_it_was(known: CocoSet, tmp_path: Path) -> None:
    settings = replace(recipe(known, steps=2), batch=1, warm_up_steps=1)
    torch.manual_seed(0)
    detector = Detector(EfficientNetLite0(), SMALL)
    before = {name: weight.clone() for name, weight in detector.named_parameters()}

    found = teach(known, detector, texts, settings, tmp_path / "run")

    after = dict(detector.named_parameters())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not any(name.startswith("trunk.") for name in moved)
    assert set(found) == {PromptKind.NAME}

    again = Detector(EfficientNetLite0(), SMALL)
    again.load_state_dict(
        {k: v for k, v in detector.state_dict().items() if k.startswith("trunk.")}, strict=False
    )
    assert teach(known, again, texts, settings, tmp_path / "run") == pytest.approx(found, abs=1e-6)


def test_the_models_that_are_written_are_described_as_the_packaged_ones(tmp_path: Path) -> None:
    describe(tmp_path / "store")

    for name in (DETECTOR, SCORER):
        described = tomllib.loads((tmp_path / "store" / name / "1" / DESCRIPTION).read_text(encoding="utf-8"))
        packaged = tomllib.loads((STORE / name / "1" / DESCRIPTION).read_text(encoding="utf-8"))
        assert described == packaged


def test_a_data_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadJson, match=r"none\.json cannot be read"):
        main([str(tmp_path / "none.json"), str(tmp_path)])
