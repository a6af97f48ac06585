"""The account of numbered events notices what is lost, doubled, out of order or merely repeated."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.chaos.publishing import Account, account
from tests.chaos.relay import Numbered

ACKED = {"a": 4, "b": 1}


def found(*numbers: int | tuple[int, str]) -> list[tuple[str, Numbered]]:
    """Return events of key `a`, with an id of their own unless another is given, and the one of `b`."""
    given = [one if isinstance(one, tuple) else (one, f"id {one}") for one in numbers]
    return [("id b", Numbered("b", 0)), *((own_id, Numbered("a", number)) for number, own_id in given)]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((0, 1, 2, 3), Account()),
        ((0, 1, 2, 3, 4), Account()),  # written, and never acknowledged
        ((0, 1, 2, 1, 2, 3), Account(repeated=2)),
        ((0, 1, 3), Account(lost=1, wrong=1)),
        ((0, 2, 1, 3), Account(wrong=2)),
        ((0, 1, (1, "another id"), 2, 3), Account(doubled=1)),
        ((), Account(lost=4)),
    ],
)
def test_an_account_tells_what_became_of_events(
    numbers: Sequence[int | tuple[int, str]], expected: Account
) -> None:
    assert account(found(*numbers), ACKED) == expected
