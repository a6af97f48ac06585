import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.boxes import Box
from models.vision.masks import EmptyMaskError
from models.vision.references import Coordinates, parse, region, to_grid, to_pixels, write
from models.vision.regions import Mask, Point, Polygon

SIDES = st.integers(1, 20_000)


def test_the_first_edge_is_0_the_last_999_and_the_whole_picture_both() -> None:
    size = {"width_px": 640, "height_px": 480}

    assert to_grid(Point(0.0, 0.0), **size) == (0, 0)
    assert to_grid(Point(640.0, 480.0), **size) == (999, 999)
    assert to_grid(Box(0, 0, 640, 480), **size) == (0, 0, 999, 999)
    assert region((0, 0, 999, 999), **size) == Box(0, 0, 640, 480)


@given(width_px=SIDES, height_px=SIDES, share=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_point_comes_back_within_half_a_cell(
    width_px: int, height_px: int, share: tuple[float, float]
) -> None:
    size = {"width_px": width_px, "height_px": height_px}
    x, y = share[0] * width_px, share[1] * height_px

    back = to_pixels(to_grid(Point(x, y), **size), **size)

    assert abs(back[0] - x) <= width_px / 999 / 2 * (1 + 1e-9)
    assert abs(back[1] - y) <= height_px / 999 / 2 * (1 + 1e-9)


@given(width_px=SIDES, height_px=SIDES, data=st.data())
def test_a_box_comes_back_within_half_a_cell_and_in_a_small_picture_exactly(
    width_px: int, height_px: int, data: st.DataObject
) -> None:
    left, top = data.draw(st.integers(0, width_px - 1)), data.draw(st.integers(0, height_px - 1))
    box = Box(
        left, top, data.draw(st.integers(left + 1, width_px)), data.draw(st.integers(top + 1, height_px))
    )
    size = {"width_px": width_px, "height_px": height_px}

    numbers = to_grid(box, **size)

    edges = (box.left, box.top, box.right, box.bottom)
    for edge, back, side in zip(edges, to_pixels(numbers, **size), (width_px, height_px) * 2, strict=True):
        assert abs(edge - back) <= side / 999 / 2 * (1 + 1e-9)
    if max(width_px, height_px) <= 999:
        assert region(numbers, **size) == box


@given(numbers=st.tuples(*[st.integers(0, 999)] * 4), width_px=SIDES, height_px=SIDES)
def test_whatever_box_is_written_has_a_pixel_in_the_picture(
    numbers: tuple[int, int, int, int], width_px: int, height_px: int
) -> None:
    found = region(numbers, width_px=width_px, height_px=height_px)

    assert isinstance(found, Box)
    assert 0 <= found.left < found.right <= width_px
    assert 0 <= found.top < found.bottom <= height_px


def test_what_lies_outside_is_cut_and_corners_are_put_in_order() -> None:
    size = {"width_px": 999, "height_px": 999}

    assert to_grid(Point(-5.0, 2_000.0), **size) == (0, 999)
    assert to_grid(Box(900, 800, -50, 5_000), **size) == (0, 800, 900, 999)
    assert region((7, 9, 3, 2), **size) == Box(3, 2, 7, 9)
    assert region((999, 999, 999, 999), **size) == Box(998, 998, 999, 999)
    assert to_pixels((-4, 1_200), **size) == (0, 999)


def test_a_polygon_and_a_mask_are_written_as_the_box_around_them() -> None:
    size = {"width_px": 999, "height_px": 999}
    mask = np.zeros((999, 999), dtype=bool)
    mask[10:20, 30:50] = True
    mask[600, 700] = True
    triangle = np.array([[30.0, 10.0], [701.0, 300.0], [100.0, 601.0]])

    assert to_grid(Mask(mask), **size) == (30, 10, 701, 601)
    assert to_grid(Polygon((triangle,)), **size) == (30, 10, 701, 601)


def test_a_box_outside_the_picture_has_no_place_on_the_grid() -> None:
    with pytest.raises(EmptyMaskError):
        to_grid(Box(20, 0, 30, 10), width_px=10, height_px=10)


def test_points_and_boxes_are_found_with_the_words_before_them() -> None:
    text = "Is a cat [100, 200,300,400] <region_fea> up? A ball [ 5, 6 ] <region_fea> and the dog [7,8,9,10]."

    found = parse(text)

    assert [(one.phrase, one.coordinates) for one in found.references] == [
        ("Is a cat", (100, 200, 300, 400)),
        ("A ball", (5, 6)),
        ("the dog", (7, 8, 9, 10)),
    ]
    assert [text[one.start : one.end] for one in found.references] == [
        "[100, 200,300,400]",
        "[ 5, 6 ]",
        "[7,8,9,10]",
    ]
    assert found.malformed == ()


def test_regions_in_a_row_share_a_phrase_and_a_new_sentence_does_not() -> None:
    found = parse("two birds [1,2,3,4], [5,6,7,8] and [9,9]. [1,1] is free")

    assert [one.phrase for one in found.references] == ["two birds", "two birds", "two birds", ""]


def test_a_box_whose_corners_are_in_the_wrong_order_is_put_in_order() -> None:
    assert parse("cup [300, 40, 100, 20]").references[0].coordinates == (100, 20, 300, 40)


@pytest.mark.parametrize(
    ("bracket", "reason"),
    [
        ("[1, 2, 3]", "2 or 4 numbers, not 3"),
        ("[]", "whole numbers"),
        ("[1,,2]", "whole numbers"),
        ("[1 2]", "whole numbers"),
        ("[0.5, 1]", "whole numbers"),
        ("[-1, 1]", "whole numbers"),
        ("[1000, 1]", "whole numbers of 0 to 999"),
        ("[1e2, 1]", "whole numbers"),
        ("[٣, ٤]", "whole numbers"),
        ("[__import__('os').abort()]", "whole numbers"),
        ("[" + "9" * 10_000 + ", 1]", "whole numbers"),
        ("[1, 2", "no other side"),
        ("1, 2]", "no other side"),
    ],
)
def test_a_malformed_bracket_is_reported_and_neither_used_nor_run(bracket: str, reason: str) -> None:
    found = parse(f"a cat {bracket} and a dog <3")

    assert found.references == ()
    (malformed,) = found.malformed
    assert reason in malformed.reason
    assert f"a cat {bracket} and a dog <3"[malformed.start :].startswith(malformed.text)


def test_a_bracket_within_a_bracket_is_used_and_what_is_around_it_reported() -> None:
    found = parse("cat [[1, 2]]")

    assert [one.coordinates for one in found.references] == [(1, 2)]
    assert [(one.text, one.start) for one in found.malformed] == [("[", 4), ("]", 11)]


@given(text=st.text(alphabet="[]<>,.0123 andx\n", max_size=60))
def test_each_bracket_is_either_a_region_or_reported(text: str) -> None:
    found = parse(text)

    starts = [one.start for one in found.references] + [one.start for one in found.malformed]
    assert len(starts) == len(set(starts))
    read = sum(text[one.start : one.end].count("[") for one in found.references)
    assert read + sum(one.text.count("[") for one in found.malformed) == text.count("[")


@given(numbers=st.one_of(st.tuples(*[st.integers(0, 999)] * 2), st.tuples(*[st.integers(0, 999)] * 4)))
def test_what_is_written_is_read(numbers: Coordinates) -> None:
    (found,) = parse(f"a cat {write(numbers)}").references

    ordered = (
        *map(min, zip(numbers[:2], numbers[-2:], strict=True)),
        *map(max, zip(numbers[:2], numbers[-2:], strict=True)),
    )
    assert found.coordinates == (numbers if len(numbers) == 2 else ordered)


@pytest.mark.parametrize("piece", ["][", "a", "<", " ", ",", "and ", "[" + "1," * 500])
def test_a_text_of_100000_characters_takes_no_longer_than_its_length_asks(piece: str) -> None:
    began = time.process_time()

    parse(piece * (100_000 // len(piece)) + "[1,2]")

    assert time.process_time() - began < 20
