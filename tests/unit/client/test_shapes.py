import pytest
from hypothesis import given
from hypothesis import strategies as st

from fovea import Mask


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=6))
def test_run_lengths_decode_to_the_mask(rows: list[list[bool]]) -> None:
    mask = Mask.from_rows(rows)

    bits = [bool(i % 2) for i, count in enumerate(mask.counts) for _ in range(count)]
    columns = [bits[x * len(rows) : (x + 1) * len(rows)] for x in range(3)]
    assert [list(row) for row in zip(*columns, strict=True)] == rows
    assert (mask.height_px, mask.width_px) == (len(rows), 3)


@pytest.mark.parametrize(("rows", "counts"), [([[1]], (0, 1)), ([[0, 0]], (2,)), ([], (0,))])
def test_masks_begin_with_zeros(rows: list[list[int]], counts: tuple[int, ...]) -> None:
    assert Mask.from_rows(rows).counts == counts
