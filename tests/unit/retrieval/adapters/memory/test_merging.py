from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.adapters.memory.merging import Size, to_merge
from services.retrieval.adapters.memory.parameters import MergeParameters

PARAMETERS = MergeParameters(most_rows=1_000, ratio=4.0, few_rows=8, few_segments=4)


def sizes(*living: int) -> list[Size]:
    return [Size(each, 0) for each in living]


def test_one_segment_stays_as_it_is() -> None:
    assert to_merge(sizes(500), PARAMETERS) == []


def test_equals_are_merged() -> None:
    assert sorted(to_merge(sizes(100, 100), PARAMETERS)) == [0, 1]


def test_a_large_one_waits_until_the_small_ones_are_worth_it() -> None:
    assert to_merge(sizes(500, 100), PARAMETERS) == []
    assert sorted(to_merge(sizes(400, 100), PARAMETERS)) == [0, 1]


def test_no_segment_grows_beyond_the_limit() -> None:
    assert to_merge(sizes(900, 300), PARAMETERS) == []


def test_what_is_half_dead_is_written_anew_alone() -> None:
    assert to_merge([Size(500, 0), Size(900, 300)], PARAMETERS) == [1]


def test_what_is_all_dead_goes() -> None:
    assert to_merge([Size(5, 5)], PARAMETERS) == [0]


def test_tiny_segments_wait_for_company() -> None:
    assert to_merge(sizes(1, 1, 1), PARAMETERS) == []
    assert sorted(to_merge(sizes(1, 1, 1, 1), PARAMETERS)) == [0, 1, 2, 3]


@given(st.lists(st.integers(1, 200), min_size=1, max_size=200))
def test_there_are_never_many_and_little_is_written_anew(seals: list[int]) -> None:
    parameters = MergeParameters(most_rows=2_000, few_rows=1)
    segments: list[int] = []
    written = 0
    for seal in seals:
        segments.append(seal)
        while places := to_merge(sizes(*segments), parameters):
            merged = sum(segments[place] for place in places)
            assert len(places) > 1
            assert merged <= 2_000
            written += merged
            segments = [size for place, size in enumerate(segments) if place not in places] + [merged]

    full = [size for size in segments if size > 1_000]
    assert len(segments) - len(full) <= 12
    assert written <= 20 * sum(seals)
