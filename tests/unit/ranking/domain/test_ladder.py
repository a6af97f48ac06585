import pytest

from services.kernel.errors import (
    Corrupt,
    DeadlineExceeded,
    FoveaError,
    InvalidInput,
    NotFound,
    Overloaded,
    Unavailable,
)
from services.ranking.domain import ladder
from services.ranking.domain.judging import NoAnswerError


@pytest.mark.parametrize(
    ("error", "rung"),
    [
        (DeadlineExceeded("late"), ladder.RANKER_LATE),
        (Unavailable("down"), ladder.RANKER_UNAVAILABLE),
        (Overloaded("busy"), ladder.RANKER_UNAVAILABLE),
        (NoAnswerError("NaN"), ladder.RANKER_FAILED),
        (FoveaError("broken"), ladder.RANKER_FAILED),
        (InvalidInput("tensor"), ladder.RANKER_FAILED),
        (InvalidInput("outside", reason="REGION_INVALID"), ladder.NO_REGION),
        (ZeroDivisionError(), ladder.RANKER_FAILED),
    ],
)
def test_every_error_of_a_ranker_has_its_rung(error: Exception, rung: ladder.Rung) -> None:
    assert ladder.rung_of(error) is rung


@pytest.mark.parametrize("error", [NotFound("gone"), Corrupt("torn"), InvalidInput("text"), Unavailable("")])
def test_an_image_that_is_not_to_be_had_has_a_rung_of_its_own(error: FoveaError) -> None:
    assert ladder.rung_of_image(error) is ladder.IMAGE_UNAVAILABLE


def test_of_two_rungs_the_one_further_down_is_told() -> None:
    assert ladder.lower(ladder.LESS_EFFORT, ladder.TOO_MANY_CANDIDATES) is ladder.LESS_EFFORT
    assert ladder.lower(None, ladder.TOO_MANY_CANDIDATES) is ladder.TOO_MANY_CANDIDATES
    assert ladder.lower(None, None) is None


def test_no_two_rungs_have_one_name() -> None:
    assert len({rung.name for rung in ladder.LADDER}) == len(ladder.LADDER)
