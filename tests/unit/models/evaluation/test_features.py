from pathlib import Path

import numpy as np

from models.evaluation.features import Features


def rows(*values: float) -> dict[str, np.ndarray]:
    return {"visual": np.array([[value] for value in values])}


def test_what_was_seen_comes_back_in_the_order_asked_also_after_a_restart(tmp_path: Path) -> None:
    features = Features(tmp_path / "encoder")
    features.add(["a", "b"], rows(1, 2))
    features.add(["c"], rows(3))

    for found in (features, Features(tmp_path / "encoder")):
        assert found.of(["c", "a", "c"])["visual"].ravel().tolist() == [3, 1, 3]


def test_only_what_was_not_seen_is_missing_and_each_picture_once(tmp_path: Path) -> None:
    features = Features(tmp_path / "encoder")
    features.add(["a"], rows(1))

    assert features.missing(["b", "a", "b", "c"]) == [0, 3]


def test_a_part_that_was_half_written_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "00000.part").write_bytes(b"half")

    assert Features(tmp_path).missing(["a"]) == [0]
