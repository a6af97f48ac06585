import numpy as np
import pytest

from models.ranking.pairs.faults import INSTEAD, SHAPES, Fault, Sheet, fault, faulty
from models.ranking.pairs.surfaces import APART, FAMILIES, SURFACES, families, surface

WINDOW = (40, 30, 64)


def _sheet() -> Sheet:
    drawn = np.random.default_rng(3)
    return Sheet(tuple(drawn.uniform(0, 255, (160, 160, 3)).astype(np.float32) for _ in range(3)))


@pytest.mark.parametrize("instead", sorted(INSTEAD))
@pytest.mark.parametrize("shape", SHAPES)
def test_a_fault_changes_some_places_and_leaves_most_as_they_are(instead: str, shape: str) -> None:
    sheet, kind = _sheet(), Fault(instead, amount=0.8, shape=shape, size=0.2, most=1, angle=30.0)

    found = faulty(sheet, WINDOW, kind, np.random.default_rng(4))

    changed = np.abs(found - sheet.part(0, WINDOW)).max(2) > 1
    assert 0.0 < changed.mean() < 0.5
    assert found.min() >= 0
    assert found.max() <= 255


def test_a_fault_everywhere_leaves_nothing_as_it_was() -> None:
    sheet, kind = _sheet(), Fault("noisy", amount=0.5, shape="", size=0.2, most=1, angle=30.0)

    changed = np.abs(faulty(sheet, WINDOW, kind, np.random.default_rng(4)) - sheet.part(0, WINDOW)).max(2) > 0

    assert changed.mean() > 0.9


def test_what_would_be_no_fault_everywhere_is_never_drawn_so() -> None:
    drawn = np.random.default_rng(0)
    everywhere = {kind.instead for kind in (fault(drawn) for _ in range(500)) if not kind.shape}

    assert everywhere
    assert not everywhere & {"flat", "shifted"}


def test_a_surface_has_as_many_pictures_of_each_class_and_is_the_same_again() -> None:
    first, again = (surface("twill", np.random.default_rng(7), classes=3, pictures=2) for _ in range(2))

    assert [each.shape for each in first.classes] == [(2, 224, 224, 3)] * 3
    assert all((one == other).all() for one, other in zip(first.classes, again.classes, strict=True))
    assert (first.classes[0][0] != first.classes[0][1]).any()


def test_families_held_apart_stand_behind_all_others() -> None:
    own = families()
    first = min(place for place, family in enumerate(own) if family in APART)

    assert len(own) == SURFACES
    assert set(own[:first]) == set(FAMILIES) - APART
    assert set(own[first:]) == APART
