import numpy as np
import pytest

from models.ranking.pairs.looks import (
    CHANNELS,
    FIELDS,
    ODD,
    Look,
    checked,
    evidence,
    is_familiar,
    look,
    oddness,
    tensors,
)


def _look(value: float) -> Look:
    return Look(
        np.full(4, value, np.float32),
        np.full(3, value, np.float32),
        np.full((7, 7, 128), value, np.float32),
        np.full(ODD, value, np.float32),
        np.full((28, 28, 3), value, np.float32),
    )


def test_a_look_is_a_crop_in_fewer_places_and_white_is_nothing() -> None:
    crop = np.full((224, 224, 3), 255, np.uint8)
    crop[:8, :8] = 0
    patches = np.zeros((28, 28, 128), np.float32)
    patches[:4, 4:8] = 3.0

    found = look(crop, embeddings=np.ones(4), names=np.ones(3), patches=patches)

    assert found.pixels[0, 0].tolist() == [1, 1, 1]
    assert found.pixels[1:].max() == found.pixels[:, 1:].max() == 0
    assert found.patches[0, 1].tolist() == [3] * 128
    assert found.patches.sum() == 3 * 128


def test_a_query_stands_in_a_row_with_each_exemplar() -> None:
    rows = tensors(_look(1), [_look(2), _look(3)])

    assert sorted(rows) == sorted([f"{side}_{name}" for side in ("query", "exemplar") for name in FIELDS])
    assert {len(array) for array in rows.values()} == {2}
    assert rows["query_names"][:, 0].tolist() == [1, 1]
    assert rows["exemplar_patches"][:, 0, 0, 0].tolist() == [2, 3]


def test_the_likest_pictures_make_a_candidate_likely() -> None:
    said = evidence(np.array([2.0, 1.0, -1.0]), np.array([0, 0, 1]), 2)

    assert said is not None
    assert np.exp(said).sum() == pytest.approx(1)
    # mean 1.5 over as many pictures as are usual, and the likest once more
    assert said[0] - said[1] == pytest.approx((1.5 * 1.5 + 2) - (-1 * 1.5 - 1))


def test_more_pictures_than_others_have_are_no_merit() -> None:
    alike = evidence(np.array([1.0, 1.0, 1.0, 1.0]), np.array([0, 0, 0, 1]), 2)

    assert alike is not None
    assert alike[0] == pytest.approx(alike[1])


def test_of_a_candidate_without_a_picture_nothing_is_said() -> None:
    said = evidence(np.array([3.0, -3.0]), np.array([0, 2]), 3)

    assert said is not None
    assert said[0] - said[1] == pytest.approx(said[1] - said[2])


def test_pictures_of_one_candidate_alone_say_nothing() -> None:
    assert evidence(np.array([3.0, 2.0]), np.array([1, 1]), 4) is None
    assert evidence(np.zeros(0), np.zeros(0, np.int64), 4) is None


def test_what_is_no_number_is_left_out() -> None:
    said = evidence(np.array([np.nan, 1.0, 0.0]), np.array([0, 0, 1]), 2)
    without = evidence(np.array([1.0, 0.0]), np.array([0, 1]), 2)

    assert said is not None
    assert without is not None
    assert said.tolist() == without.tolist()


def test_a_reply_of_another_shape_is_no_reply() -> None:
    assert checked({"logits": np.zeros((3, 1), np.float32)}, 3).shape == (3,)
    for wrong in ({"logits": np.zeros(3, np.float32)}, {"logits": np.zeros((2, 1), np.float32)}, {}):
        with pytest.raises(ValueError, match="3 logits"):
            checked(wrong, 3)


def test_one_odd_patch_shows_wherever_it_is_and_not_at_the_rim() -> None:
    even = np.random.default_rng(0).normal(0, 1, (28, 28, 128)).astype(np.float32)
    here, there, rim = even.copy(), even.copy(), even.copy()
    here[5, 9] += 4
    there[20, 14] += 4
    rim[0, 9] += 4

    usual, first, second, unseen = (oddness(each)[2 * CHANNELS :] for each in (even, here, there, rim))

    assert first[0] > 2 * usual[0]
    np.testing.assert_allclose(first, second, rtol=0.2)
    np.testing.assert_array_equal(unseen, usual)


def test_an_even_picture_has_nothing_odd_and_no_fault() -> None:
    assert oddness(np.full((28, 28, 128), 0.5, np.float32)).tolist() == [0.0] * ODD


def test_drawings_that_are_nearly_the_same_are_none_that_it_knows_and_surfaces_are() -> None:
    def seen(angle: float, uneven: float = 1.0) -> Look:
        alike = np.array([np.cos(angle), np.sin(angle)], np.float32)
        patches = uneven * np.random.default_rng(0).standard_normal((7, 7, 128)).astype(np.float32)
        return Look(alike, alike, patches, np.zeros(ODD, np.float32), np.zeros((28, 28, 3), np.float32))

    apart, near = [seen(0.0), seen(1.0), seen(1.0)], [seen(0.0), seen(0.1)]

    assert is_familiar(apart, np.array([0, 1, 1]))
    assert not is_familiar(near, np.array([0, 1]))
    assert is_familiar([seen(0.0, 0.1), seen(0.1, 0.1)], np.array([0, 1]))
    assert not is_familiar(apart, np.array([0, 0, 0]))
    assert not is_familiar([], np.zeros(0, np.int64))
