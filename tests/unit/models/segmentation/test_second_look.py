from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.segmentation.second_look import SecondLook, crops, joined, nearness, places, read_names
from models.vision.preparation import PreparationSettings

LOOK = SecondLook(most=3, least_objectness=0.0, own=0.5, crop=4.0, shift=-1.0)
ROOM = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 70, 10], [80, 0, 90, 10]], float)


def vectors(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_the_surest_places_are_looked_at_and_no_more_than_most() -> None:
    objectness = np.array([0.1, 3.0, 1.0, 2.0, -0.1], np.float32)

    assert places(ROOM, objectness, LOOK).tolist() == [1, 3, 2]


def test_a_place_that_is_not_sure_enough_is_not_looked_at() -> None:
    objectness = np.array([-1.0, -0.001, 0.0, -2.0, -3.0], np.float32)

    assert places(ROOM, objectness, LOOK).tolist() == [2]


def test_of_places_that_overlap_by_more_than_half_the_surest_is_looked_at() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 4]], float)

    assert places(boxes, np.array([1.0, 2.0, 0.5], np.float32), LOOK).tolist() == [1, 2]


def test_a_box_without_area_is_no_place() -> None:
    boxes = np.array([[5, 5, 5, 9], [0, 0, 10, 10]], float)

    assert places(boxes, np.array([9.0, 1.0], np.float32), LOOK).tolist() == [1]


def test_there_may_be_no_place_to_look_at() -> None:
    assert places(ROOM, np.full(5, -1, np.float32), LOOK).shape == (0,)
    assert places(np.zeros((0, 4)), np.zeros(0, np.float32), LOOK).shape == (0,)


def test_a_joined_place_has_the_weighted_sum_of_both_as_its_logit_for_any_text() -> None:
    queries, offsets = 5 * vectors(5), np.linspace(-2, 1, 5).astype(np.float32)
    seen, texts = vectors(2, seed=1), vectors(7, seed=2)
    chosen = np.array([3, 1])

    new_queries, new_offsets = joined(queries, offsets, ROOM, chosen, seen, look=LOOK)

    own = queries @ texts.T + offsets[:, None]
    expected = own.copy()
    expected[chosen] = 0.5 * own[chosen] + 4.0 * (seen @ texts.T) - 1.0
    np.testing.assert_allclose(new_queries @ texts.T + new_offsets[:, None], expected, atol=1e-5)


def test_places_that_were_not_looked_at_stay_as_they_are_to_the_bit() -> None:
    queries, offsets = vectors(5), np.zeros(5, np.float32)

    new_queries, new_offsets = joined(queries, offsets, ROOM, np.array([3, 1]), vectors(2, seed=1), look=LOOK)

    for place in (0, 2, 4):
        assert (new_queries[place] == queries[place]).all()
        assert new_offsets[place] == offsets[place]


def test_a_double_of_a_place_gains_what_the_place_gains() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 6]], float)
    queries, offsets = vectors(3), np.zeros(3, np.float32)

    new_queries, new_offsets = joined(queries, offsets, boxes, np.array([0]), vectors(1, seed=1), look=LOOK)

    np.testing.assert_allclose(new_queries[1] - queries[1], new_queries[0] - queries[0], atol=1e-6)
    assert new_offsets[1] == new_offsets[0] == pytest.approx(-1.0)
    assert (new_queries[2] == queries[2]).all()


def test_without_a_place_nothing_changes() -> None:
    queries, offsets = vectors(5), np.zeros(5, np.float32)

    new_queries, new_offsets = joined(
        queries, offsets, ROOM, np.zeros(0, np.int64), np.zeros((0, 8), np.float32), look=LOOK
    )

    assert (new_queries == queries).all()
    assert (new_offsets == offsets).all()


def test_the_given_queries_are_not_written_to() -> None:
    queries, offsets = vectors(5), np.zeros(5, np.float32)

    joined(queries, offsets, ROOM, np.array([0]), vectors(1, seed=1), look=LOOK)

    assert (queries == vectors(5)).all()
    assert not offsets.any()


@pytest.mark.parametrize(
    "box",
    [(0.0, 0.0, 0.4, 0.4), (29.2, 19.5, 30.0, 20.0), (-3.0, -3.0, 31.0, 21.0), (12.0, 7.0, 13.0, 8.0)],
)
def test_a_crop_at_the_border_or_of_one_pixel_is_a_crop(box: tuple[float, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)

    (square,) = crops(picture, np.array([box]), PreparationSettings(size_px=16))

    assert square.shape == (16, 16, 3)


def test_nearness_lies_between_the_mean_and_the_highest_cosine() -> None:
    seen, names = vectors(4), vectors(9, seed=3)
    cosines = seen @ names.T

    found = nearness(seen, names)

    assert (found < cosines.max(axis=1)).all()
    assert (found > cosines.mean(axis=1)).all()


def test_nearness_is_the_logarithm_of_the_mean_of_what_cosines_count() -> None:
    seen, names = vectors(4), vectors(9, seed=3)

    expected = 0.05 * np.log(np.exp((seen @ names.T).astype(np.float64) / 0.05).mean(axis=1))

    np.testing.assert_allclose(nearness(seen, names), expected, atol=1e-6)


def test_names_at_large_move_a_place_as_much_for_one_text_as_for_another() -> None:
    queries, offsets = 5 * vectors(5), np.linspace(-2, 1, 5).astype(np.float32)
    seen, texts, names = vectors(2, seed=1), vectors(7, seed=2), vectors(9, seed=3)
    chosen = np.array([3, 1])
    without = joined(queries, offsets, ROOM, chosen, seen, look=LOOK)

    with_names = joined(queries, offsets, ROOM, chosen, seen, look=replace(LOOK, near=-2.5, names=names))

    def logits(each: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        return np.asarray(each[0] @ texts.T + each[1][:, None])

    expected = logits(without)
    expected[chosen] -= 2.5 * nearness(seen, names)[:, None]
    np.testing.assert_allclose(logits(with_names), expected, atol=1e-5)


def test_names_at_large_are_read_as_they_were_kept(tmp_path: Path) -> None:
    rows = vectors(9).astype(np.float16)
    np.save(tmp_path / "names.npy", rows)

    assert (read_names(tmp_path / "names.npy") == rows.astype(np.float32)).all()


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((3, 4), np.float32),
        np.zeros(4, np.float16),
        np.zeros((0, 4), np.float16),
        np.full((3, 4), np.nan, np.float16),
        np.array([{"a": 1}], dtype=object),
    ],
)
def test_names_at_large_that_are_no_rows_of_numbers_are_refused(tmp_path: Path, rows: np.ndarray) -> None:
    np.save(tmp_path / "names.npy", rows, allow_pickle=True)

    with pytest.raises(ValueError, match=r"half-precision|allow_pickle"):
        read_names(tmp_path / "names.npy")
