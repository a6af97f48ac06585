from __future__ import annotations

import pytest

from services.retrieval.adapters.memory.catalogue import Catalogue
from services.retrieval.adapters.memory.freshness import Limits, LogState, Looks, behind

LIMITS = Limits(tombstones_s=100.0, margin_s=20.0)
NOW_S = 10_000.0


def kept(offset: int, *, age_s: float) -> Catalogue:
    return Catalogue({0: offset, 1: 4}, NOW_S - age_s, log="this")


def log(ends: dict[int, int], identity: str = "this") -> LogState:
    return LogState(identity, ends)


@pytest.mark.parametrize(
    ("offset", "age_s", "reason"),
    [
        (5, 0.0, ""),
        (5, 79.0, ""),
        (5, 81.0, "too_old"),
        (9, 1e9, ""),  # nothing came after it
        (10, 0.0, "other_log"),
        (5, -19.0, ""),  # clocks differ
        (5, -21.0, "from_the_future"),
    ],
)
def test_what_was_kept_is_opened_only_while_no_tombstone_can_be_missing(
    offset: int, age_s: float, reason: str
) -> None:
    assert LIMITS.refusal(kept(offset, age_s=age_s), log({0: 9, 1: 4}), NOW_S) == reason


def test_a_log_without_one_of_the_partitions_is_another_log() -> None:
    assert LIMITS.refusal(kept(5, age_s=0.0), log({0: 9}), NOW_S) == "other_log"


def test_a_log_that_was_made_anew_is_another_log_though_it_has_grown_past_the_old_one() -> None:
    assert LIMITS.refusal(kept(5, age_s=0.0), log({0: 9, 1: 4}, "other"), NOW_S) == "other_log"


def test_a_partition_that_is_new_to_the_catalogue_is_read_from_its_beginning() -> None:
    assert LIMITS.refusal(kept(5, age_s=0.0), log({0: 9, 1: 4, 2: 3}), NOW_S) == ""
    assert behind({0: 5, 1: 4}, {0: 9, 1: 4, 2: 3}) == 7


def test_whoever_has_read_up_to_an_end_has_all_from_before_it_was_seen() -> None:
    looks = Looks()
    looks.saw({0: 5}, 1.0)
    looks.saw({0: 7}, 2.0)

    assert looks.as_of_s({0: 4}) is None
    assert looks.as_of_s({0: 6}) == 1.0
    assert looks.as_of_s({0: 7}) == 2.0
    looks.saw({0: 9}, 3.0)
    assert looks.as_of_s({0: 8}) == 2.0


def test_what_was_opened_is_as_old_as_it_was_until_the_end_is_reached() -> None:
    looks = Looks(as_of_s=50.0)
    looks.saw({0: 5}, 90.0)

    assert looks.as_of_s({0: 4}) == 50.0
    assert looks.as_of_s({0: 5}) == 90.0


def test_a_reader_that_is_far_behind_does_not_remember_ever_more() -> None:
    looks = Looks()
    for second in range(10_000):
        looks.saw({0: second}, float(second))

    assert len(looks._looks) < 2_000
    assert looks.as_of_s({0: 9_999}) == 9_999.0
