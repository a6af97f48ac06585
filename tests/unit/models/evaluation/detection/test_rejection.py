import numpy as np
import pytest

from models.evaluation.detection.rejection import (
    ABSENCE,
    FULL,
    PRESENCE,
    accepted_share,
    group_of,
    offered,
    only,
)
from tests.unit.models.evaluation.detection.cases import asked, said, truth

HERE = (10.0, 10.0, 60.0, 60.0)


def test_an_absent_prompt_is_accepted_above_its_threshold_alone() -> None:
    scene = asked(
        ["star", "tree", "sea"], [truth(HERE, 0)], said((0, 0.9, HERE), (1, 0.4, HERE), (2, 0.3, HERE))
    )

    found = offered([scene], [0.3])

    assert accepted_share(found, np.ones(1), present=False) == pytest.approx(1 / 2)
    assert accepted_share(found, np.ones(1), present=True) == 1


def test_what_is_not_verified_is_not_judged() -> None:
    scene = asked(["star", "tree"], [], said((0, 0.9, HERE)), verified=frozenset({1}))

    assert [each.text for each in offered([scene], [0.3])] == ["tree"]


def test_a_phrase_that_says_what_is_not_there_is_known_by_its_words() -> None:
    assert group_of("the star that is not red") == ABSENCE
    assert group_of("Every mushroom that is Not spotted") == ABSENCE
    assert group_of("the knot on the left") == PRESENCE


def test_groups_part_the_prompts() -> None:
    scene = asked(["the star", "a star that is not red"], [], said())

    assert [only([scene], group)[0].verified for group in (FULL, PRESENCE, ABSENCE)] == [{0, 1}, {0}, {1}]
