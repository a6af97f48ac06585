import csv
from collections import Counter

import numpy as np
import pytest

from models.evaluation.emoji import NEIGHBOURS, PICTURES, Vote, log_votes


def test_only_the_nearest_neighbours_vote() -> None:
    similarity = np.linspace(0, 1, NEIGHBOURS + 50)[None]

    votes = log_votes(similarity, Vote(temperature=0.1, reference=0.5))

    assert np.isfinite(votes).sum() == NEIGHBOURS
    assert votes[0, -1] == pytest.approx(5)


def test_every_example_class_has_one_name_and_one_picture_of_each_artist() -> None:
    with (PICTURES / "classes.csv").open(encoding="utf-8", newline="") as file:
        classes = list(csv.DictReader(file))
    pictures = Counter(
        path.stem for artist in PICTURES.iterdir() if artist.is_dir() for path in artist.iterdir()
    )

    assert len({one["label"] for one in classes}) == len(classes) >= 300
    assert pictures == {one["codepoint"]: 3 for one in classes}


def test_the_examples_are_small_enough_for_every_clone() -> None:
    assert sum(path.stat().st_size for path in PICTURES.rglob("*") if path.is_file()) < 6_000_000
