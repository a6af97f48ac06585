"""The sets by name, as far as they can be told without their data."""

from __future__ import annotations

import pytest

from models.segmentation.scenes.sets import EVALUATION_SCENES, development, evaluation, training


def test_an_evaluation_set_has_no_more_scenes_than_it_has() -> None:
    for number in (-1, EVALUATION_SCENES):
        with pytest.raises(ValueError, match=f"seen has no scene {number}"):
            evaluation("seen", number)


def test_a_set_that_is_not_there_is_not_made() -> None:
    for made in (training, development, evaluation):
        with pytest.raises(KeyError, match="pictures of my holidays"):
            made("pictures of my holidays", 0)
    with pytest.raises(ValueError, match="nothing of photos for development"):
        development("photos", 0)
