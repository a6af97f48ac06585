"""A sample becomes a lesson, and is the same when it was kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.segmentation.judging.exemplars import by_exemplar
from models.segmentation.lessons import SHARD, Lesson, Shelf, lesson
from models.segmentation.samples import Prompt, PromptKind, Sample, Thing
from models.vision.boxes import Box


def read(images: np.ndarray) -> list[np.ndarray]:
    return [images.mean((1, 2))[:, :, None, None], images[:, ::192, ::192].transpose(0, 3, 1, 2)]


def sample(number: int = 0) -> Sample:
    image = np.full((100, 200, 3), number, dtype=np.uint8)
    thing = Thing(
        Box(20, 10, 60, 30),
        np.ones((20, 40), dtype=np.bool_),
        frozenset({1}),
        stuff=False,
        label="cup",
        cutout="a",
    )
    prompts = (Prompt(PromptKind.NAME, "bowl"), Prompt(PromptKind.NAME, "cup"))
    crowd = Thing(
        Box(100, 50, 200, 100), np.ones((50, 100), np.bool_), frozenset({0}), stuff=False, label="bowl"
    )
    return Sample(
        image,
        prompts,
        (thing,) if number % 2 == 0 else (),
        "drawn",
        verified=frozenset({1}),
        crowds=(crowd,) * (number % 3),
    )


def test_boxes_are_shares_of_the_square_and_masks_shares_of_its_cells() -> None:
    made = lesson(sample(), read)

    np.testing.assert_allclose(made.boxes, [[0.1, 0.05, 0.3, 0.15]])  # of 200 pixels, both ways
    assert made.masks.shape == (1, 96, 96)
    assert made.masks.sum() / 255 == pytest.approx(0.2 * 0.1 * 96 * 96, rel=0.02)
    rows, columns = np.nonzero(made.masks[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 14, 9, 28)


def test_what_was_kept_is_what_was_made(tmp_path: Path) -> None:
    made: list[int] = []

    def make(number: int) -> Lesson:
        made.append(number)
        return lesson(sample(number), read)

    counts: list[int] = []
    Shelf(tmp_path, make).fill(SHARD + 1, counts.append)
    again = Shelf(tmp_path, make)
    again.fill(2 * SHARD, counts.append)

    assert counts == [SHARD, 2 * SHARD] * 2
    assert made == list(range(2 * SHARD))
    for number in (0, 1, SHARD + 2):
        kept, fresh = again[number], lesson(sample(number), read)
        for here, there in zip(kept.maps, fresh.maps, strict=True):
            np.testing.assert_array_equal(here, there)
        np.testing.assert_array_equal(kept.masks, fresh.masks)
        np.testing.assert_array_equal(kept.boxes, fresh.boxes)
        assert (kept.prompts, kept.answers, kept.labels) == (fresh.prompts, fresh.answers, fresh.labels)
        assert (kept.cutouts, kept.verified, kept.stuff) == (fresh.cutouts, fresh.verified, fresh.stuff)
        np.testing.assert_array_equal(kept.crowds, fresh.crowds)
        assert kept.crowd_answers == fresh.crowd_answers == (frozenset({0}),) * (number % 3)


def test_a_crowd_is_a_box_and_what_stands_there() -> None:
    made = lesson(sample(1), read)

    np.testing.assert_allclose(made.crowds, [[0.5, 0.25, 1.0, 0.5]])
    assert made.crowd_truth.tolist() == [[True, False]]
    assert not len(made.truth)


def test_a_lesson_that_was_kept_before_there_were_crowds_has_none(tmp_path: Path) -> None:
    Shelf(tmp_path, lambda number: lesson(sample(number), read)).fill(SHARD, lambda _: None)
    path = tmp_path / "0000" / "truth.json"
    truths = json.loads(path.read_text(encoding="utf-8"))
    older = [{key: each[key] for key in each if not key.startswith("crowd")} for each in truths]
    path.write_text(json.dumps(older), encoding="utf-8")

    kept = Shelf(tmp_path, lambda number: lesson(sample(number), read))[1]

    assert (kept.crowds.shape, kept.crowd_truth.shape) == ((0, 4), (0, 2))


def test_a_shard_that_was_half_made_is_made_anew(tmp_path: Path) -> None:
    def fail(number: int) -> Lesson:
        if number == 3:
            raise KeyboardInterrupt
        return lesson(sample(number), read)

    with pytest.raises(KeyboardInterrupt):
        Shelf(tmp_path, fail).fill(SHARD, lambda _: None)

    assert list(tmp_path.iterdir()) == []


def test_by_exemplar_a_name_is_another_drawing_of_it() -> None:
    asked = by_exemplar(lesson(sample(), read), {"cup": ("a", "b"), "bowl": ()})

    assert asked.prompts == (Prompt(PromptKind.EXEMPLAR, "b"),)
    assert asked.answers == (frozenset({0}),)
