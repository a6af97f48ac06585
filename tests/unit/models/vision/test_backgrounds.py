import numpy as np
import pytest

from models.vision.backgrounds import cover, procedural


def test_drawn_backgrounds_are_of_the_size_asked_for_and_differ() -> None:
    rng = np.random.default_rng(0)

    first, second = (procedural(90, 60, rng) for _ in range(2))

    assert first.shape == second.shape == (60, 90, 3)
    assert (first != second).mean() > 0.5


def test_the_same_generator_draws_the_same_background() -> None:
    first, second = (procedural(90, 60, np.random.default_rng(5)) for _ in range(2))

    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(("width_px", "height_px"), [(30, 30), (47, 13), (13, 47), (333, 777)])
def test_a_picture_covers_any_size(width_px: int, height_px: int) -> None:
    picture = np.full((41, 67, 3), 200, dtype=np.uint8)

    fitted = cover(picture, width_px, height_px)

    assert fitted.shape == (height_px, width_px, 3)
    assert (fitted == 200).all()


def test_what_is_cut_off_is_cut_off_evenly() -> None:
    picture = np.zeros((20, 60, 3), dtype=np.uint8)
    picture[:, 20:40] = 255

    assert cover(picture, 20, 20)[:, 2:-2].min() == 255
