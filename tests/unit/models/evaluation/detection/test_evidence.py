from pathlib import Path

import numpy as np

from models.evaluation.detection.evidence import Evidence, Kept
from tests.unit.models.evaluation.detection.test_finder import finder, sample


def test_what_was_seen_is_kept_whole(tmp_path: Path) -> None:
    found = finder().find(sample("red", "blue", stuff=True), 3, vocabulary=("red",), stuff={"blue"})
    kept = Kept(tmp_path)

    kept.save(found)
    again = Kept(tmp_path).load(3)

    assert 3 in kept
    assert 4 not in kept
    for name in ("scene", "width_px", "height_px", "prompts", "truths", "verified", "pixels", "segments"):
        assert getattr(again, name) == getattr(found, name)
    assert again.regions.masks == found.regions.masks
    for name in ("boxes", "objectness", "logits", "names", "owners", "scores"):
        np.testing.assert_array_equal(getattr(again.regions, name), getattr(found.regions, name))


def test_a_scene_of_nothing_is_kept_as_well(tmp_path: Path) -> None:
    found = finder().find(sample("red", "blue"), 0)
    bare = Evidence(0, found.width_px, found.height_px, found.prompts, (), frozenset(), found.regions)

    Kept(tmp_path).save(bare)

    assert Kept(tmp_path).load(0).truths == ()


def test_a_file_that_was_half_written_is_none(tmp_path: Path) -> None:
    (tmp_path / "0000.1.part").write_bytes(b"half")

    assert 0 not in Kept(tmp_path)
