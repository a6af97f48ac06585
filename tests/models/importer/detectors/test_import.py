"""A tiny detector of each family, imported and run as serving runs it, against transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BertTokenizer,
    CLIPTokenizer,
    GroundingDinoForObjectDetection,
    Owlv2ForObjectDetection,
    Sam2Model,
    SamModel,
)

from infra.triton.config import Serving
from infra.triton.repository import render
from models.importer.export import TOLERANCE
from models.segmentation.imported.masks import BoxMasks
from models.segmentation.pixels import mask, reach
from models.segmentation.prepared import draw, whole
from services.kernel.errors import InvalidInput, Unsupported
from services.kernel.vocabulary import PromptKind
from services.runtime.model_execution.store import ModelStore
from services.segmentation.adapters.imported import (
    ImportedDetector,
    ImportedMasks,
    ImportedTexts,
    imported_detection,
    imported_masks,
)
from tests.models.importer.detectors.checkpoints import JOINT_TOKENS, SIDE_PX
from tests.models.importer.detectors.conftest import Detectors

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
PROMPTS = ["a bird", "Two Cats, sleeping", "red car"]


def square(picture: np.ndarray) -> np.ndarray:
    height_px, width_px = picture.shape[:2]
    return draw(picture, whole(width_px, height_px, side_px=SIDE_PX))


def pixels(image: np.ndarray, mean: Any = MEAN, std: Any = STD) -> torch.Tensor:
    """Return bytes as a checkpoint of these constants wants them, by its published formula."""
    scaled = (image / 255 - np.array(mean)) / np.array(std)
    return torch.from_numpy(scaled.transpose(2, 0, 1).astype(np.float32))[None]


def corners(boxes: np.ndarray) -> np.ndarray:
    middle, size = boxes[..., :2], boxes[..., 2:]
    return np.concatenate((middle - size / 2, middle + size / 2), axis=-1)


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("gd", ["gd-boxes"]),
        ("owl", ["owl-boxes", "owl-text"]),
        ("sam", ["sam-image", "sam-masks"]),
        ("sam2", ["sam2-image", "sam2-masks"]),
    ],
)
def test_each_family_is_imported_and_agrees_with_transformers(
    detectors: Detectors, family: str, names: list[str]
) -> None:
    found = detectors(family)

    assert [each.rows[0].name for each in found] == names
    for each in found:
        assert max(each.parity.random, each.parity.real) <= TOLERANCE
        assert (each.rows[0].megabytes > 0, each.rows[0].milliseconds > 0) == (True, True)
    assert (found[0].parity.whole is None) == (family == "sam2")
    card = (detectors.folder(names[0]).path / "README.md").read_text()
    assert "from transformers on random inputs" in card
    assert "| licence | apache-2.0 |" in card
    assert f"| {names[0]} | {found[0].rows[0].megabytes:.1f} |" in card


def test_a_grounding_dino_reads_all_prompts_in_one_text_as_transformers_does(
    detectors: Detectors, picture: np.ndarray
) -> None:
    models = detectors.models("gd-boxes")
    asked = imported_detection("gd-boxes", detectors.opened())
    rows = ImportedTexts(models, asked).encode(PROMPTS).rows

    seen = ImportedDetector(models, asked).look(square(picture)[None], rows)

    model = GroundingDinoForObjectDetection.from_pretrained(detectors.root / "gd").eval()
    tokenizer = BertTokenizer.from_pretrained(detectors.root / "gd")
    given = tokenizer("a bird. two cats, sleeping. red car.", return_tensors="pt")
    with torch.inference_mode():
        theirs = model(
            pixel_values=pixels(square(picture)),
            input_ids=given["input_ids"],
            attention_mask=given["attention_mask"],
        )
    stops = np.flatnonzero(given["input_ids"][0].numpy() == 1012)
    starts = np.array([1, *(stops[:-1] + 1)])
    wanted = np.stack(
        [
            theirs.logits[0, :, start:stop].max(dim=-1).values.numpy()
            for start, stop in zip(starts, stops, strict=True)
        ],
        axis=1,
    )
    np.testing.assert_allclose(seen.boxes[0], corners(theirs.pred_boxes[0].numpy()), atol=1e-4)
    np.testing.assert_allclose(seen.queries[0], wanted, atol=1e-4)
    np.testing.assert_array_equal(seen.texts[0], np.eye(3))
    assert asked.joint
    assert asked.thresholds[PromptKind.NAME] == 0.25


def test_what_a_grounding_dino_is_asked_besides_changes_what_it_answers(
    detectors: Detectors, picture: np.ndarray
) -> None:
    models = detectors.models("gd-boxes")
    asked = imported_detection("gd-boxes", detectors.opened())
    reader, detector = ImportedTexts(models, asked), ImportedDetector(models, asked)

    alone = detector.look(square(picture)[None], reader.encode(PROMPTS[:1]).rows)
    together = detector.look(square(picture)[None], reader.encode(PROMPTS).rows)

    assert np.abs(alone.queries[0, :, 0] - together.queries[0, :, 0]).max() > 1e-3


def test_more_prompts_than_one_text_holds_are_asked_in_several(
    detectors: Detectors, picture: np.ndarray
) -> None:
    models = detectors.models("gd-boxes")
    asked = imported_detection("gd-boxes", detectors.opened())
    prompts = ["".join(chr(97 + place) for _ in range(JOINT_TOKENS // 3)) for place in range(4)]
    rows = ImportedTexts(models, asked).encode(prompts).rows

    seen = ImportedDetector(models, asked).look(square(picture)[None], rows)

    assert seen.queries.shape == (1, 40, 4)
    assert (seen.queries[0, :20, 2:] < -1e4).all()
    assert (seen.queries[0, 20:, 2:] > -1e4).all()


def test_an_owlv2_answers_each_text_by_itself_as_transformers_does(
    detectors: Detectors, picture: np.ndarray
) -> None:
    models = detectors.models("owl-boxes", "owl-text")
    asked = imported_detection("owl-boxes", detectors.opened())
    reader, detector = ImportedTexts(models, asked), ImportedDetector(models, asked)
    seen = detector.look(square(picture)[None])

    logits = detector.score(seen.queries[0], seen.offsets[0], reader.encode(PROMPTS).rows)
    alone = detector.score(seen.queries[0], seen.offsets[0], reader.encode(PROMPTS[1:2]).rows)

    model = Owlv2ForObjectDetection.from_pretrained(detectors.root / "owl").eval()
    tokenizer = CLIPTokenizer.from_pretrained(detectors.root / "owl")
    given = tokenizer(PROMPTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        theirs = model(pixel_values=pixels(square(picture), CLIP_MEAN, CLIP_STD), **given)
    np.testing.assert_allclose(logits, theirs.logits[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(seen.boxes[0], corners(theirs.pred_boxes[0].numpy()), atol=1e-4)
    np.testing.assert_allclose(alone[:, 0], logits[:, 1], atol=1e-5)
    assert not asked.joint


@pytest.mark.parametrize(("family", "kind"), [("sam", SamModel), ("sam2", Sam2Model)])
def test_a_masker_makes_one_mask_of_each_box_as_transformers_does(
    detectors: Detectors, picture: np.ndarray, family: str, kind: Any
) -> None:
    models = detectors.models(f"{family}-image", f"{family}-masks")
    asked, wanted = imported_masks(f"{family}-image", detectors.opened())
    masker = BoxMasks(models, asked)
    boxes = np.array([[9.0, 10, 60, 45], [0, 0, 90, 50]])

    seen = masker.see(picture)
    found = masker.masks(seen, boxes)

    shown = draw(picture, seen.square)
    given = pixels(shown)
    given[:, :, seen.square.height_px :] = 0
    scale = np.array([seen.square.width_px / 90, seen.square.height_px / 50] * 2)
    model = kind.from_pretrained(detectors.root / family).eval()
    with torch.inference_mode():
        theirs = model(
            pixel_values=given,
            input_boxes=torch.from_numpy((boxes * scale).astype(np.float32))[None],
            multimask_output=False,
        )
    np.testing.assert_allclose(found, theirs.pred_masks[0, :, 0].numpy(), atol=1e-4)
    assert wanted.names == {f"{family}-image", f"{family}-masks"}
    assert (seen.square.width_px, seen.square.height_px) == ((64, 36) if family == "sam" else (64, 64))


@pytest.mark.parametrize("family", ["gd", "owl"])
def test_prompts_become_boxes_and_boxes_masks_in_pixels_of_the_picture(
    detectors: Detectors, picture: np.ndarray, family: str
) -> None:
    detectors(family)
    asked = imported_detection(f"{family}-boxes", detectors.opened())
    models = detectors.models(*sorted(asked.wanted.names), "sam-image", "sam-masks")
    reader, detector = ImportedTexts(models, asked), ImportedDetector(models, asked)
    view = whole(90, 50, side_px=detector.side_px())

    seen = detector.look(draw(picture, view)[None], reader.encode(PROMPTS).rows)
    logits = detector.score(seen.queries[0], seen.offsets[0], seen.texts[0])
    best = np.unravel_index(logits.argmax(), logits.shape)[0]
    box = view.to_image(seen.boxes[0, best : best + 1].astype(np.float64))
    masker = ImportedMasks(models, imported_masks("sam-image", detectors.opened())[0])
    shown = masker.see(picture)
    (drawn,) = masker.masks(shown, box)
    window = reach(box[0], shown.square, drawn.shape[0])

    assert logits.shape[1] == len(PROMPTS)
    assert (box >= 0).all()
    assert (box <= (90, 50, 90, 50)).all()
    assert mask(drawn, shown.square, window).shape == (
        window.bottom - window.top,
        window.right - window.left,
    )
    assert [name.partition("@")[0] for name in masker.models()] == ["sam-image", "sam-masks"]


@pytest.mark.parametrize(
    ("family", "prompt", "reason"),
    [
        ("gd", "a b " * 60, "TEXT_TOO_LONG"),
        ("gd", "🐧 …", "TEXT_UNREADABLE"),
        ("owl", "a bird " * 20, "TEXT_TOO_LONG"),
    ],
)
def test_a_prompt_that_would_have_to_be_cut_is_refused_by_its_words(
    detectors: Detectors, family: str, prompt: str, reason: str
) -> None:
    detectors(family)
    asked = imported_detection(f"{family}-boxes", detectors.opened())
    reader = ImportedTexts(detectors.models(*sorted(asked.wanted.names)), asked)

    with pytest.raises(InvalidInput, match=f"the prompt '{prompt[:9]}") as caught:
        reader.encode(["fine", prompt])

    assert (caught.value.reason, caught.value.field) == (reason, "prompts")


def test_what_finds_nothing_by_texts_is_no_detector_and_the_other_way_round(detectors: Detectors) -> None:
    detectors("sam")
    detectors("owl")

    with pytest.raises(Unsupported, match="sam-image finds nothing by texts"):
        imported_detection("sam-image", detectors.opened())
    with pytest.raises(Unsupported, match="owl-boxes makes no masks"):
        imported_masks("owl-boxes", detectors.opened())


def test_what_a_sam_sees_outside_the_picture_does_not_count(detectors: Detectors) -> None:
    models = detectors.models("sam-image")
    drawn = np.random.default_rng(1).integers(0, 256, (1, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    sizes = np.array([[30, 40]])
    other = drawn.copy()
    other[:, 30:] = 9
    other[:, :, 40:] = 200

    first, second = (models.run("sam-image", {"images": each, "sizes": sizes}) for each in (drawn, other))

    np.testing.assert_array_equal(first["coarse"], second["coarse"])


def test_a_large_detector_has_its_weights_beside_the_graph_and_an_entry_of_triton(
    detectors: Detectors, tmp_path: Path
) -> None:
    folder = detectors.folder("gd-boxes")

    render(ModelStore(detectors.store), tmp_path, Serving(backend="python"))

    outside = folder.description.graph.external_initializers
    assert (folder.path / "model.onnx").stat().st_size < 3_000_000 < folder.external("weights").stat().st_size
    shared = [name for name in outside if "bbox_embed" in name and name.endswith("layers.0.weight")]
    assert len(shared) == 2  # of the decoder's layers, which have one in common, and of the encoder's places
    config = (tmp_path / "gd-boxes" / "config.pbtxt").read_text()
    assert f'name: "input_ids" data_type: TYPE_INT64 dims: [ {JOINT_TOKENS} ]' in config
    assert (tmp_path / "gd-boxes" / "1" / "identity").read_text() == folder.identity
    assert json.loads(folder.external("tokenizer").read_text())["model"]["type"] == "WordPiece"
