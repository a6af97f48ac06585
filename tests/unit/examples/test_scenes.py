"""Scenes that are asked for in words: exact truth, and counts that can be worked by hand."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.demo.found import finding, match, outline_iou, overlap
from examples.demo.report import scenes as report
from examples.demo.scenes import ABSENT, KINDS, SETTINGS, Scene, SceneAnswer, Thing, draw
from examples.demo.task import Picture
from fovea.client import (
    Box,
    FoundBy,
    FoveaError,
    Mask,
    Prompt,
    RankedLabel,
    Recognition,
    Region,
    Status,
)
from models.vision import masks
from tests.unit.examples.test_report import findings

CUP, LEFT, OWL = Prompt("cup"), Prompt("the cup on the left", "phrase"), Prompt("owl")


def drawings(folder: Path, kinds: int) -> list[Picture]:
    drawn = Image.new("RGBA", (64, 64))
    drawn.paste("red", (16, 8, 48, 56))
    drawn.save(folder / "thing.png")
    return [
        Picture(f"thing-{i}", "group", vendor, folder / "thing.png")
        for i in range(kinds)
        for vendor in ("noto", "fluent")
    ]


def thing(label: str, box: Box) -> Thing:
    outline = np.zeros((10, 20), dtype=np.bool_)
    outline[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = True
    return Thing(Picture(label, "group", "noto", Path("none.png")), box, outline)


def region(box: Box, prompt: Prompt | None, score: float, label: str) -> Region:
    outline = thing(label, box).outline
    return Region(
        "0",
        box,
        (RankedLabel(label, 0.5),),
        0.1,
        Status.DEGRADED,
        mask=Mask(10, 20, masks.encode(outline)),
        found_by=FoundBy(prompt, score, 0.3) if prompt else None,
    )


@pytest.fixture
def answer() -> SceneAnswer:
    """Two cups, a lamp that nobody finds, and an owl that is not there."""
    things = (thing("cup", Box(0, 0, 4, 4)), thing("cup", Box(10, 0, 14, 4)), thing("lamp", Box(0, 6, 4, 10)))
    prompts = (CUP, Prompt("lamp"), LEFT, OWL)
    scene = Scene(b"", things, prompts, ((0, 1), (2,), (0,), ()))
    found = (
        region(Box(0, 0, 4, 4), CUP, 0.9, "cup"),
        region(Box(10, 0, 14, 2), CUP, 0.8, "mug"),
        region(Box(0, 0, 4, 4), CUP, 0.7, "mug"),
        region(Box(10, 0, 14, 4), LEFT, 0.6, "cup"),
        region(Box(15, 5, 19, 9), OWL, 0.5, "owl"),
    )
    pointed = tuple(region(each.box, None, 0, each.picture.label) for each in things)
    return SceneAnswer(scene, Recognition("r", found, prompts=prompts), Recognition("r", pointed))


def test_boxes_and_outlines_of_a_scene_are_those_of_what_is_drawn(tmp_path: Path) -> None:
    (scene,) = draw(drawings(tmp_path, KINDS), scenes=3, seed=0)

    pixels = np.asarray(Image.open(io.BytesIO(scene.encoded)))
    assert pixels.shape == (SETTINGS.height_px, SETTINGS.width_px, 3)
    assert len(scene.things) == KINDS + 1
    for each in scene.things:
        assert (pixels[each.outline] == (255, 0, 0)).mean() > 0.9
        tight = masks.bounding_box(each.outline)
        assert each.box == (tight.left, tight.top, tight.right, tight.bottom)
        assert masks.decode(each.mask.counts, width_px=640, height_px=480).sum() == each.outline.sum()


def test_a_scene_is_asked_for_every_name_one_phrase_and_what_is_not_there(tmp_path: Path) -> None:
    scenes = draw(drawings(tmp_path, 2 * KINDS), scenes=2, seed=1)

    first, second = ({thing.picture.label for thing in scene.things} for scene in scenes)
    assert not first & second
    for scene in scenes:
        kinds = [prompt.kind for prompt in scene.prompts]
        assert kinds == ["name"] * KINDS + ["phrase"] + ["name"] * ABSENT
        assert [len(places) for places in scene.answers] == [2, 1, 1, 1, 1, 1, 0, 0, 0]
        left, right = sorted(scene.answers[0], key=lambda place: scene.things[place].box.left)
        assert scene.answers[KINDS] == (left,)
        assert scene.things[left].picture.vendor != scene.things[right].picture.vendor
        assert not {prompt.text for prompt in scene.prompts[-ABSENT:]} & {
            thing.picture.label for thing in scene.things
        }


def test_the_same_seed_draws_the_same_scenes(tmp_path: Path) -> None:
    one, other = (draw(drawings(tmp_path, KINDS), scenes=1, seed=3)[0] for _ in range(2))

    assert (one.encoded, one.prompts) == (other.encoded, other.prompts)


def test_own_boxes_oracle_boxes_phrases_and_absent_names_are_counted(answer: SceneAnswer) -> None:
    row = finding([answer, answer])

    assert (row.scenes, row.beside) == (2, 2)
    assert (row.found.hits, row.found.count) == (4, 6)
    assert (row.own.hits, row.own.count) == (2, 6)
    assert (row.oracle.hits, row.oracle.count) == (6, 6)
    assert (row.told_apart.hits, row.told_apart.count) == (0, 2)
    assert (row.imagined.hits, row.imagined.count) == (2, 2)
    assert row.mask_iou == pytest.approx((1 + 0.5) / 2)


def test_a_thing_is_matched_by_the_surest_box_of_its_own_name(answer: SceneAnswer) -> None:
    first = match(answer, 0)

    assert first is not None
    assert first.labels[0].label == "cup"
    assert match(answer, 2) is None


def test_a_scene_that_failed_counts_as_nothing_found(answer: SceneAnswer) -> None:
    failed = Recognition("r", failure=FoveaError("no"))

    row = finding([SceneAnswer(answer.scene, failed, failed)])

    assert (row.found.hits, row.own.hits, row.oracle.hits, row.own.count) == (0, 0, 0, 3)
    assert math.isnan(row.mask_iou)


def test_overlaps_are_those_worked_by_hand(answer: SceneAnswer) -> None:
    assert overlap(Box(0, 0, 2, 2), Box(1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert overlap(Box(0, 0, 1, 1), Box(2, 2, 3, 3)) == 0
    assert outline_iou(answer.scene.things[1], answer.found.regions[1]) == 0.5
    assert outline_iou(answer.scene.things[1], replace(answer.found.regions[1], mask=None)) == 0


def test_the_report_draws_outlines_and_says_of_each_prompt_what_came_of_it(
    answer: SceneAnswer, tmp_path: Path
) -> None:
    packed = io.BytesIO()
    Image.new("RGB", (20, 10), "white").save(packed, "PNG")
    shown = replace(answer, scene=replace(answer.scene, encoded=packed.getvalue()))

    written = "".join(report.section(replace(findings(tmp_path), scenes=(shown,))))

    assert "own box" in written
    assert "oracle box" in written
    assert "“the cup on the left” 60" in written
    assert "✗ mug, 50" in written
    assert "is none of the drawings" in written
    assert "Not found: ✗ “lamp”" in written
    assert "data:image/webp;base64," in written


def test_a_scene_full_of_guesses_shows_the_surest_and_says_how_many_more(
    answer: SceneAnswer, tmp_path: Path
) -> None:
    packed = io.BytesIO()
    Image.new("RGB", (20, 10), "white").save(packed, "PNG")
    crowded = replace(answer.found, regions=answer.found.regions * 4)
    shown = replace(answer, scene=replace(answer.scene, encoded=packed.getvalue()), found=crowded)

    written = "".join(report.section(replace(findings(tmp_path), scenes=(shown,))))

    assert written.count('class="asked"') == 12
    assert "8 more regions, less sure" in written
