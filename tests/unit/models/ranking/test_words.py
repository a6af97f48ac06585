import numpy as np
import pytest

from models.ranking.words import ALIKE_NAMES, ALIKE_PICTURES, TEMPERATURE, evidence

NAMES = np.eye(4, dtype=np.float32)


def unit(*rows: list[float]) -> np.ndarray:
    found = np.array(rows, dtype=np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=-1, keepdims=True))


REGION = unit([3.0, 2.0, 1.0, 1.0])[0]
PICTURES = unit([3.0, 2.0, 0.0, 0.0], [2.0, 4.0, 0.0, 0.0], [1.0, 0.0, 3.0, 0.0], [0.0, 1.0, 0.0, 3.0])
EACH = np.arange(4)


def test_a_name_counts_by_how_much_nearer_the_region_is_than_the_candidates_pictures() -> None:
    found = evidence(REGION, PICTURES, EACH, NAMES)

    votes = np.exp((REGION - np.diag(PICTURES)) / TEMPERATURE)
    assert found is not None
    np.testing.assert_allclose(np.exp(found), votes / votes.sum(), rtol=1e-5)


def test_a_name_that_is_near_to_every_picture_gains_nothing_by_that() -> None:
    near = unit([1.0, 1.0, 0.0, 0.0])[0]
    pictures = unit([0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0])
    names = np.stack([near, NAMES[1], NAMES[2]])

    found = evidence(pictures[0], pictures, np.arange(3), names)

    assert found is not None
    assert found[0] == pytest.approx(found[1])
    assert found[2] < found[0]


def test_pictures_of_one_candidate_count_as_their_mean() -> None:
    pictures = np.concatenate([PICTURES, unit([1.0, 2.0, 2.0, 0.0])])

    found = evidence(REGION, pictures, np.array([0, 1, 2, 3, 1]), NAMES)

    own = np.diag(PICTURES).copy()
    own[1] = (pictures[1, 1] + pictures[4, 1]) / 2
    votes = np.exp((REGION - own) / TEMPERATURE)
    assert found is not None
    np.testing.assert_allclose(np.exp(found), votes / votes.sum(), rtol=1e-5)


def test_equal_names_with_equal_pictures_are_equally_likely() -> None:
    found = evidence(REGION, PICTURES[[0, 1, 0, 3]], EACH, NAMES[[0, 1, 0, 3]])

    assert found is not None
    assert found[0] == found[2]


def test_a_candidate_without_picture_or_name_is_as_likely_as_the_others_on_average() -> None:
    names = NAMES.copy()
    names[3] = np.nan
    pictures = PICTURES.copy()
    pictures[2, 0] = np.inf

    found = evidence(REGION, pictures, EACH, names)

    assert found is not None
    assert found[2] == pytest.approx(found[:2].mean(), rel=1e-6)
    assert found[3] == pytest.approx(found[2])
    assert np.exp(found).sum() == pytest.approx(1)


@pytest.mark.parametrize("count", [2, 27, 1000])
def test_any_number_of_candidates_share_one(count: int) -> None:
    drawn = np.random.default_rng(0)
    names, pictures = (unit(*drawn.normal(size=(count, 32)).tolist()) for _ in range(2))

    found = evidence(names[-1], pictures, np.arange(count), names)

    assert found is not None
    assert found.shape == (count,)
    assert np.exp(found).sum() == pytest.approx(1)
    assert int(found.argmax()) == count - 1


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_candidates_say_nothing(count: int) -> None:
    assert evidence(REGION, PICTURES[:count], EACH[:count], NAMES[:count]) is None


def test_without_pictures_of_two_candidates_names_say_nothing() -> None:
    assert evidence(REGION, PICTURES[:2], np.array([1, 1]), NAMES) is None


def test_a_region_that_is_no_number_says_nothing() -> None:
    assert evidence(np.full(4, np.nan, dtype=np.float32), PICTURES, EACH, NAMES) is None


def test_names_that_are_nearly_the_same_say_nothing() -> None:
    alike = unit([4.0, 1.0, 0.0, 0.0], [4.0, 0.0, 1.0, 0.0], [4.0, 0.0, 0.0, 1.0])
    assert float(alike[0] @ alike[1]) > ALIKE_NAMES

    assert evidence(REGION, PICTURES[:3], np.arange(3), alike) is None


def test_names_of_pictures_that_are_nearly_the_same_say_nothing() -> None:
    alike = unit([9.0, 1.0, 0.0, 0.0], [9.0, 0.0, 1.0, 0.0], [9.0, 0.0, 0.0, 1.0])
    assert float(alike[0] @ alike[1]) > ALIKE_PICTURES

    assert evidence(REGION, alike, np.arange(3), NAMES[:3]) is None
