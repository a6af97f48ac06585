"""Features of a class as if the encoder had never learned it."""

from pathlib import Path

import numpy as np
import pytest

from models.multimodal.features import Features, Parts, embeddings, names, things_seen
from models.vision.global_encoder.fitting import Affine, Exemplars, codes, discriminant, unit
from models.vision.global_encoder.knowledge import Scale
from models.vision.global_encoder.recipe import Fitted, Recipe

CLASSES, EACH, WIDE, DIM, TEXT = 24, 6, 20, 8, 6
RECIPE = Recipe(dimensions=DIM, name_dimensions=5)


def parts() -> tuple[Parts, np.ndarray]:
    drawn = np.random.default_rng(0)
    shown = np.repeat(np.arange(CLASSES), EACH)
    centres = drawn.standard_normal((CLASSES, WIDE))
    rows = (centres[shown] + 0.7 * drawn.standard_normal((len(shown), WIDE))).astype(np.float32)
    colours = drawn.random((len(shown), 7)).astype(np.float32)
    logits = drawn.standard_normal((len(shown), 30)).astype(np.float32)
    return Parts(rows, colours, logits), np.array([f"class {one}" for one in shown])


def fitted(seen: Parts, classes: np.ndarray) -> Fitted:
    drawn = np.random.default_rng(1)
    metric = discriminant(seen.reduced, codes(classes), count=DIM, ridge=RECIPE.ridge)
    tone = Affine(np.zeros(7, np.float32), drawn.standard_normal((7, 5)).astype(np.float32))
    anchors = drawn.standard_normal((3, TEXT)).astype(np.float32)
    exemplars = Exemplars(anchors, anchors[:, :5], np.full(5, 0.1, np.float32))
    return Fitted((), metric, tone, exemplars, Scale(np.zeros(30, np.float32), np.ones(30, np.float32)))


def test_a_view_of_no_fold_is_seen_as_the_encoder_that_ships_sees_it() -> None:
    seen, classes = parts()
    known = fitted(seen, classes)

    found = things_seen(seen, classes, np.full(len(classes), -1), known, RECIPE)

    np.testing.assert_allclose(found, unit(known.discriminant(seen.reduced)), atol=1e-6)


def test_a_fold_is_seen_without_its_own_classes_and_others_as_before() -> None:
    seen, classes = parts()
    known = fitted(seen, classes)
    fold = np.where(np.isin(classes, ["class 0", "class 1"]), 0, -1)

    found = things_seen(seen, classes, fold, known, RECIPE)

    shipped = unit(known.discriminant(seen.reduced))
    np.testing.assert_allclose(found[fold < 0], shipped[fold < 0], atol=1e-6)
    assert np.abs(found[fold == 0] - shipped[fold == 0]).max() > 1e-3
    assert (found[fold == 0] * shipped[fold == 0]).sum(1).mean() > 0.7


def test_what_a_fold_shows_changes_nothing_of_how_it_is_seen() -> None:
    seen, classes = parts()
    known = fitted(seen, classes)
    fold = np.where(np.isin(classes, ["class 0", "class 1"]), 0, -1)
    renamed = np.where(fold == 0, "one class", classes)

    np.testing.assert_array_equal(
        things_seen(seen, classes, fold, known, RECIPE), things_seen(seen, renamed, fold, known, RECIPE)
    )


def test_embeddings_and_names_have_length_one() -> None:
    seen, classes = parts()
    known = fitted(seen, classes)
    thing = unit(known.discriminant(seen.reduced)).astype(np.float32)
    texts = np.random.default_rng(2).standard_normal((30, TEXT)).astype(np.float32)

    among = embeddings(thing, seen.colours, known, 0.55)
    named = names(thing, seen.logits, texts, known, (1.5, 0.35))

    assert among.shape == (len(thing), DIM + 5)
    assert named.shape == (len(thing), 5 + TEXT)
    for rows in (among, named):
        assert np.linalg.norm(rows.astype(np.float32), axis=1) == pytest.approx(1, abs=2e-3)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    half = np.random.default_rng(3).random((4, 3)).astype(np.float16)
    kept = Features(half, half[:, :2], np.array([0, 0, 1, 1]), np.array([True, False, True, False]))

    kept.save(tmp_path / "features.npz")
    found = Features.load(tmp_path / "features.npz")

    for key, value in vars(kept).items():
        np.testing.assert_array_equal(getattr(found, key), value)
