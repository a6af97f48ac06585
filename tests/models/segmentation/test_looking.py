import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

from models.export import STORE
from models.files import digest
from models.segmentation.looking.train import ship
from models.segmentation.looking.unknowing import without
from models.segmentation.samples import PromptKind
from models.segmentation.second_look import SecondLook, read_names

AT_LARGE = np.eye(3, 640, dtype=np.float32)
LOOK = SecondLook(most=9, least_objectness=-0.25, own=0.5, crop=6.0, shift=-2.0, near=-3.0, names=AT_LARGE)
CHOSEN = {PromptKind.NAME: 0.125, PromptKind.EXEMPLAR: 0.25}


def test_texts_that_are_taken_out_leave_what_the_others_alone_would_have_been_solved_for() -> None:
    random = np.random.default_rng(0)
    rows = random.standard_normal((30, 5))
    kernel = rows @ rows.T + np.diag(random.uniform(0.1, 1, 30))
    targets = random.standard_normal((30, 4))
    gone = np.array([3, 17, 29])
    kept = np.setdiff1d(np.arange(30), gone)

    left = without(kernel, np.linalg.solve(kernel, targets), gone)

    np.testing.assert_allclose(
        left[kept], np.linalg.solve(kernel[np.ix_(kept, kept)], targets[kept]), atol=1e-9
    )
    assert not left[gone].any()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    shutil.copytree(STORE / "fovea-detector", tmp_path / "fovea-detector")
    return tmp_path


def test_what_is_shipped_replaces_what_was_and_nothing_else_of_the_description(store: Path) -> None:
    place = store / "fovea-detector" / "1" / "model.toml"
    before = tomllib.loads(place.read_text(encoding="utf-8"))

    ship(LOOK, CHOSEN, store)
    ship(LOOK, CHOSEN, store)

    after = tomllib.loads(place.read_text(encoding="utf-8"))
    look = after["detection"].pop("second_look")
    before["detection"].pop("second_look", None)
    (file,) = after.pop("files")
    before.pop("files", None)
    assert after == before
    assert look.pop("thresholds") == {"name": 0.125, "exemplar": 0.25}
    assert look == {each: getattr(LOOK, each) for each in look}
    assert file["role"] == "names"
    assert (read_names(place.parent / file["file"]) == AT_LARGE).all()
    assert digest(place.parent / file["file"]) == file["sha256"]
