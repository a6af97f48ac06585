"""COCO JSON in and out: what is written is read back, and what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.segmentation.coco.errors import (
    BadBox,
    BadClasses,
    BadImage,
    BadJson,
    BadSegmentation,
    CocoError,
    UnknownId,
)
from models.segmentation.coco.reading import read
from models.segmentation.coco.writing import IMAGES, write
from models.segmentation.samples import Prompt, PromptKind, Sample, Thing
from models.vision.boxes import Box

WIDE, HIGH = 12, 8
Change = Callable[[dict[str, Any]], object]


def described(tmp_path: Path, change: Change = dict) -> Path:
    """Write a JSON of one image with a cat (polygon), a dog (run lengths) and a crowd of dogs."""
    (tmp_path / IMAGES).mkdir(exist_ok=True)
    Image.new("RGB", (WIDE, HIGH), "white").save(tmp_path / IMAGES / "one.png")
    dogs = np.zeros((HIGH, WIDE), dtype=np.bool_)
    dogs[1, 1] = True
    said: dict[str, Any] = {
        "images": [{"id": 7, "file_name": "one.png", "width": WIDE, "height": HIGH}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog, or wolf"}, {"id": 4, "name": "owl"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 3,
                "bbox": [2, 1, 4, 3],
                "segmentation": [[2, 1, 6, 1, 6, 4, 2, 4]],
            },
            {
                "id": 2,
                "image_id": 7,
                "category_id": 9,
                "bbox": [1.0, 1.0, 1.0, 1.0],
                "segmentation": {"size": [HIGH, WIDE], "counts": [9, 1, 86]},
                "iscrowd": 0,
            },
            {
                "id": 5,
                "image_id": 7,
                "category_id": 9,
                "bbox": [6, 0, 6, 8],
                "segmentation": {"size": [HIGH, WIDE], "counts": [48, 48]},
                "iscrowd": 1,
            },
        ],
    }
    change(said)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(said), encoding="utf-8")
    return path


def test_categories_become_names_and_annotations_things(tmp_path: Path) -> None:
    known = read(described(tmp_path), tmp_path / IMAGES)
    sample = known.sample(0)

    assert (len(known), known.name, sample.data_set) == (1, "mine", "mine")
    assert [prompt.text for prompt in sample.prompts] == ["cat", "dog, or wolf", "owl"]
    assert {prompt.kind for prompt in sample.prompts} == {PromptKind.NAME}
    assert sample.absent() == {2}
    assert [thing.answers for thing in sample.things] == [{0}, {1}]
    assert [thing.box for thing in sample.things] == [Box(2, 1, 6, 4), Box(1, 1, 2, 2)]
    assert all(thing.mask.all() for thing in sample.things)
    assert [thing.box for thing in sample.crowds] == [Box(6, 0, 12, 8)]
    assert sample.verified is None


def test_a_class_file_says_what_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("owl\n\ndog, or wolf\n", encoding="utf-8")

    sample = read(described(tmp_path), tmp_path / IMAGES, classes=tmp_path / "classes.txt").sample(0)

    assert [prompt.text for prompt in sample.prompts] == ["owl", "dog, or wolf"]
    assert [thing.label for thing in sample.things] == ["dog, or wolf"]


def test_what_was_not_looked_for_is_not_verified(tmp_path: Path) -> None:
    def looked_for(said: dict[str, Any]) -> None:
        said["images"][0] |= {"neg_category_ids": [4], "not_exhaustive_category_ids": [9]}

    assert read(described(tmp_path, looked_for), tmp_path / IMAGES).sample(0).verified == frozenset({0, 2})


def test_stuff_comes_in_the_parts_that_hang_together(tmp_path: Path) -> None:
    def two_lakes(said: dict[str, Any]) -> None:
        said["images"][0] |= {"file_name": "large.png", "width": 40, "height": 20}
        said["categories"][0]["isthing"] = 0
        said["annotations"] = [said["annotations"][0]]
        lakes = [[0, 0, 10, 0, 10, 20, 0, 20], [20, 0, 40, 0, 40, 20, 20, 20]]
        said["annotations"][0] |= {"bbox": [0, 0, 40, 20], "segmentation": lakes}

    path = described(tmp_path, two_lakes)
    Image.new("RGB", (40, 20)).save(tmp_path / IMAGES / "large.png")
    sample = read(path, tmp_path / IMAGES).sample(0)

    assert [(thing.box, thing.stuff) for thing in sample.things] == [
        (Box(0, 0, 10, 20), True),
        (Box(20, 0, 40, 20), True),
    ]


def test_a_thing_without_a_mask_or_with_one_thinner_than_a_pixel_keeps_its_box(tmp_path: Path) -> None:
    def bare(said: dict[str, Any]) -> None:
        del said["annotations"][0]["segmentation"]
        said["annotations"][1] |= {"segmentation": [[1.1, 1, 1.2, 1, 1.2, 2]]}

    things = read(described(tmp_path, bare), tmp_path / IMAGES).sample(0).things

    assert [thing.box for thing in things] == [Box(2, 1, 6, 4), Box(1, 1, 2, 2)]
    assert all(thing.mask.all() for thing in things)


def of_annotation(**changes: object) -> Change:
    return lambda said: said["annotations"][0].update(changes)


def of_image(**changes: object) -> Change:
    return lambda said: said["images"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda said: said.pop("images"), BadJson, "no list of entries 'images'"),
        (lambda said: said.update(annotations=[3]), BadJson, "no list of entries 'annotations'"),
        (of_image(width="12"), BadJson, "image 0 of the list lacks"),
        (of_image(file_name="gone.png"), BadImage, "image 7: .*gone.png is not there"),
        (of_image(file_name="../mine.json"), BadImage, "image 7: '../mine.json' leads out"),
        (lambda said: said["images"].append(said["images"][0]), UnknownId, "image id 7 stands twice"),
        (lambda said: said["categories"][1].update(id=3), UnknownId, "category id 3 stands twice"),
        (
            lambda said: said["categories"][1].update(name="cat"),
            BadClasses,
            "categories are called 'cat'",
        ),
        (lambda said: said["categories"][1].update(name=" "), BadClasses, "category 1 of the list"),
        (lambda said: said["categories"][1].update(kind="song"), BadClasses, "category 9 is of kind 'song'"),
        (of_annotation(image_id=8), UnknownId, "annotation 1 is of image 8"),
        (of_annotation(category_id=1), UnknownId, "annotation 1 is of category 1"),
        (of_annotation(bbox=[1, 2, 3]), BadBox, "annotation 1 of image 7: bbox is"),
        (of_annotation(bbox=[1, 2, 0, 4]), BadBox, "has no area"),
        (of_annotation(bbox=[10, 2, 4, 4]), BadBox, "outside the image of 12 x 8"),
    ],
)
def test_what_is_wrong_is_named_before_a_picture_is_read(
    tmp_path: Path, change: Change, error: type[CocoError], message: str
) -> None:
    with pytest.raises(error, match=message):
        read(described(tmp_path, change), tmp_path / IMAGES)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (of_image(width=13), BadImage, "has 12 x 8 pixels, not 13 x 8"),
        (of_annotation(segmentation=[[1, 2, 3]]), BadSegmentation, "annotation 1 of image 7"),
        (of_annotation(segmentation=[[1, 2, 3, 4]]), BadSegmentation, "needs 3 corners"),
        (of_annotation(segmentation={"size": [8, 11], "counts": []}), BadSegmentation, "run lengths of"),
        (of_annotation(segmentation={"size": [8, 12], "counts": [1]}), BadSegmentation, "sum to 1"),
        (of_annotation(segmentation={"size": [8, 12], "counts": "Z"}), BadSegmentation, "within a number"),
        (of_annotation(segmentation={"size": [8, 12], "counts": "1 2"}), BadSegmentation, "no letter"),
        (of_annotation(segmentation=5), BadSegmentation, "annotation 1 of image 7"),
    ],
)
def test_a_picture_or_a_mask_that_is_wrong_is_named_when_it_is_read(
    tmp_path: Path, change: Change, error: type[CocoError], message: str
) -> None:
    with pytest.raises(error, match=message):
        read(described(tmp_path, change), tmp_path / IMAGES).sample(0)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = described(tmp_path)
    classes = tmp_path / "classes.txt"

    with pytest.raises(BadJson, match=r"none\.json cannot be read"):
        read(tmp_path / "none.json", tmp_path)
    with pytest.raises(BadClasses, match=r"classes\.txt cannot be read"):
        read(path, tmp_path / IMAGES, classes=classes)
    classes.write_text("cat\nunicorn\n", encoding="utf-8")
    with pytest.raises(BadClasses, match="no category is called 'unicorn'"):
        read(path, tmp_path / IMAGES, classes=classes)
    classes.write_text("cat\ncat\n", encoding="utf-8")
    with pytest.raises(BadClasses, match="'cat' stands twice"):
        read(path, tmp_path / IMAGES, classes=classes)
    (tmp_path / IMAGES / "one.png").write_bytes(b"no picture")
    with pytest.raises(BadImage, match="image 7: "):
        read(path, tmp_path / IMAGES).sample(0)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(BadJson, match="is no JSON"):
        read(path, tmp_path / IMAGES)


def samples() -> list[Sample]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(3):
        image = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        mask = rng.random((9, 7)) < 0.5
        mask[[0, -1]] = mask[:, [0, -1]] = True
        prompts = (
            Prompt(PromptKind.NAME, 'a "cup", of tea'),
            Prompt(PromptKind.PHRASE, f"the cup number {number}"),
            Prompt(PromptKind.NAME, "grass"),
            Prompt(PromptKind.SENTENCE, "Find the ☕."),
        )
        things = (
            Thing(
                Box(3, 2, 10, 11), mask, frozenset({1, 3}), stuff=False, label="2615", cutout="emoji/x/2615"
            ),
            Thing(
                Box(20, 0, 30, 20),
                np.ones((20, 10), dtype=np.bool_),
                frozenset({2}),
                stuff=True,
                label="grass",
            ),
        )
        made.append(Sample(image, prompts[number:], things[number:], "annotations"))
    made[1] = Sample(
        made[0].image, made[0].prompts, made[0].things[:1], "annotations", crowds=made[0].things[1:]
    )
    made[2] = Sample(made[2].image, made[0].prompts, (), "annotations")
    return made


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    before = samples()

    known = read(write(before, tmp_path), tmp_path / IMAGES)
    after = [known.sample(number) for number in range(len(known))]

    assert len(after) == len(before)
    for was, now in zip(before, after, strict=True):
        assert now.prompts == was.prompts
        assert now.data_set == was.data_set
        assert now.absent() == was.absent()
        np.testing.assert_array_equal(now.image, was.image)
        assert len(now.things) == len(was.things)
        assert len(now.crowds) == len(was.crowds)
        for old, new in zip((*was.things, *was.crowds), (*now.things, *now.crowds), strict=True):
            assert (new.box, new.answers, new.label, new.cutout) == (
                old.box,
                old.answers,
                old.label,
                old.cutout,
            )
            assert new.stuff == old.stuff
            np.testing.assert_array_equal(new.mask, old.mask)


def test_a_thing_that_nobody_can_name_is_not_written(tmp_path: Path) -> None:
    mask = np.ones((2, 2), dtype=np.bool_)
    nameless = Thing(Box(0, 0, 2, 2), mask, frozenset(), stuff=False, label="clipart/1")

    with pytest.raises(CocoError, match="clipart/1 answers no prompt"):
        write([Sample(np.zeros((4, 4, 3), dtype=np.uint8), (), (nameless,), "clipart")], tmp_path)


def test_packed_run_lengths_are_those_of_the_reference(tmp_path: Path) -> None:
    """The letters are what COCO's own code makes of these run lengths."""
    masks = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(1)
    mask = rng.random((HIGH, WIDE)) < 0.3
    letters = masks.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()

    packed = of_annotation(segmentation={"size": [HIGH, WIDE], "counts": letters})
    thing = read(described(tmp_path, packed), tmp_path / IMAGES).sample(0).things[0]

    np.testing.assert_array_equal(thing.in_image(WIDE, HIGH), mask)
