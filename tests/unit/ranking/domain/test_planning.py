import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ranking.domain import ladder
from services.ranking.domain.asking import Effort, Mode, Terms
from services.ranking.domain.planning import Pace, Plan, plan, tokens_asked, tokens_of

PACE = Pace(call_s=0.04, token_s=0.002)
REGION = (40, 50, 60, 70, 80)
"""Tokens with 1, 2, ... candidates."""


def wanted(regions: int = 1, *, orders: int = 4, labels: int = 5, mode: Mode = Mode.LETTERS) -> Plan:
    return Plan(labels, Effort(mode, orders), regions)


@pytest.mark.parametrize(
    ("left_s", "regions", "asked"),
    [
        (None, 1, (5, 4, 1)),  # (candidates, orders, regions)
        (1.0, 1, (5, 4, 1)),
        (0.8, 1, (5, 2, 1)),
        (0.4, 1, (5, 1, 1)),
        (0.24, 1, (4, 1, 1)),
        (0.2, 1, (3, 1, 1)),
        (0.18, 1, (2, 1, 1)),
        (0.17, 1, None),
        (0.001, 1, None),
        (0.0, 1, None),
        (-0.5, 1, None),
        (0.46, 2, (5, 1, 2)),
        (0.2, 2, (2, 1, 1)),
        (0.31, 2, (2, 1, 2)),
        (0.4, 256, (2, 1, 2)),
    ],
)
def test_time_decides_first_orders_then_candidates_then_regions(
    left_s: float | None, regions: int, asked: tuple[int, int, int] | None
) -> None:
    planned = plan(left_s, [REGION] * regions, wanted(regions), PACE)

    if asked is None:
        assert planned is None
        return
    assert planned is not None
    assert (planned.labels, planned.effort.orders, planned.regions) == asked
    assert planned.rung == (None if asked == (5, 4, regions) else ladder.LESS_EFFORT)


def test_names_beside_letters_go_before_candidates_do() -> None:
    both = plan(1.2, [REGION], wanted(mode=Mode.BOTH), PACE)
    less = plan(0.26, [REGION], wanted(mode=Mode.BOTH), PACE)

    assert both is not None
    assert both.effort == Effort(Mode.BOTH, 4)
    assert less is not None
    assert (less.effort, less.labels) == (Effort(Mode.LETTERS, 1), 5)


def test_names_are_read_once_whatever_the_orders() -> None:
    assert tokens_asked([REGION], wanted(mode=Mode.NAMES)) == 80
    assert tokens_asked([REGION], wanted(mode=Mode.LETTERS)) == 320
    assert tokens_asked([REGION], wanted(mode=Mode.BOTH)) == 400


@given(
    left_s=st.floats(-1, 5),
    regions=st.integers(1, 6),
    orders=st.integers(1, 8),
    labels=st.integers(2, 26),
    mode=st.sampled_from(Mode),
)
def test_what_is_planned_fits_and_more_time_never_asks_less(
    left_s: float, regions: int, orders: int, labels: int, mode: Mode
) -> None:
    sizes = [tuple(range(30, 30 + 6 * labels, 6))] * regions
    asked = Plan(labels, Effort(mode, orders), regions)

    planned, later = (plan(left, sizes, asked, PACE) for left in (left_s, left_s + 0.5))

    if planned is None:
        return
    assert PACE.seconds(tokens_asked(sizes[: planned.regions], planned)) <= left_s
    assert later is not None
    assert (later.regions, later.labels) >= (planned.regions, planned.labels)


def test_a_longer_prompt_is_thought_to_take_longer() -> None:
    terms = Terms(prompt_tokens=30, label_tokens=3, characters_per_token=4.0)

    assert tokens_of(terms, ["robin", "wren"], ["", ""]) == (34, 38)
    assert tokens_of(terms, ["robin", "wren"], ["", "a small brown bird!!"]) == (34, 43)
    assert tokens_of(terms, [""], [""]) == (33,)


def test_the_pace_follows_what_was_measured() -> None:
    slower = PACE
    for _ in range(30):
        slower = slower.after(tokens=80, seconds=2 * (0.04 + 80 * 0.002))

    assert slower.seconds(80) == pytest.approx(2 * PACE.seconds(80), rel=0.01)
    assert PACE.after(tokens=0, seconds=1.0) == PACE
    assert PACE.after(tokens=80, seconds=0.0) == PACE
