"""Stuff in pieces: how many, where, and that nothing is lost but what is small."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jaxtyping import Bool
from scipy import ndimage

from models.segmentation.stuff import components
from models.vision.boxes import Box

ANY_MASK = arrays(np.bool_, st.tuples(st.integers(0, 14), st.integers(0, 14)))


def _field(*boxes: Box) -> Bool[np.ndarray, "h w"]:
    mask = np.zeros((40, 60), dtype=np.bool_)
    for box in boxes:
        mask[box.rows, box.columns] = True
    return mask


def test_of_three_pieces_the_one_of_50_pixels_is_dropped() -> None:
    large, wide, small = Box(0, 0, 10, 20), Box(20, 0, 60, 10), Box(30, 20, 40, 25)

    found = components(_field(large, wide, small))

    assert [each.box for each in found] == [large, wide]
    assert all(each.mask.all() for each in found)


@pytest.mark.parametrize(("rows", "kept"), [(16, 0), (17, 1)])
def test_64_pixels_are_too_few_and_68_are_not(rows: int, kept: int) -> None:
    assert len(components(_field(Box(5, 5, 9, 5 + rows)))) == kept


def test_65_pixels_are_enough() -> None:
    mask = _field(Box(0, 0, 8, 8))
    mask[8, 0] = True

    assert len(components(mask)) == 1


@pytest.mark.parametrize("left", [0, 10])
def test_pixels_that_touch_at_a_corner_hang_together(left: int) -> None:
    mask = _field(Box(left, 0, left + 10, 10), Box(10 - left, 10, 20 - left, 20))

    (found,) = components(mask)

    assert found.box == Box(0, 0, 20, 20)
    assert np.array_equal(found.mask, mask[:20, :20])


def test_what_lies_in_the_hole_of_another_is_a_piece_of_its_own() -> None:
    ring = _field(Box(0, 0, 30, 30))
    ring[5:25, 5:25] = False
    inside = _field(Box(10, 10, 20, 20))

    around, within = components(ring | inside)

    assert around.box == Box(0, 0, 30, 30)
    assert within.box == Box(10, 10, 20, 20)
    assert np.array_equal(around.mask, ring[:30, :30])


def test_arms_that_meet_in_the_last_row_are_one_piece() -> None:
    comb = _field(*(Box(left, 0, left + 2, 40) for left in range(0, 60, 4)), Box(0, 39, 60, 40))

    assert len(components(comb)) == 1


def test_nothing_has_no_pieces() -> None:
    assert components(_field()) == ()


@given(ANY_MASK, st.integers(1, 12))
def test_the_pieces_together_are_the_mask_less_what_is_small(mask: np.ndarray, least_px: int) -> None:
    found = components(mask, least_px=least_px)

    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    kept = (sizes >= least_px) & (np.arange(count + 1) > 0)
    together = np.zeros(mask.shape, dtype=np.int64)
    for each in found:
        together[each.box.rows, each.box.columns] += each.mask
    assert np.array_equal(together, kept[labels].astype(np.int64))
    assert len(found) == kept.sum()


@given(ANY_MASK)
def test_a_piece_touches_all_sides_of_its_box(mask: np.ndarray) -> None:
    for each in components(mask, least_px=1):
        edges = (each.mask[0], each.mask[-1], each.mask[:, 0], each.mask[:, -1])
        assert all(edge.any() for edge in edges)
