"""The recipe on a made-up world: three numbers say what a thing is, three how it was drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.vision.global_encoder.data import Picture
from models.vision.global_encoder.fitting import unit
from models.vision.global_encoder.readings import Readings
from models.vision.global_encoder.recipe import Classifier, Fitted, Lesson, Recipe, fit, reduce_all
from models.vision.global_encoder.views import Freedom

SIZES = {"head": 6, "colours": 5, "logits": 2}
RECIPE = Recipe(
    reduced={"head": 6, "colours": 4},
    dimensions=6,
    ridge=0.01,
    tone_dimensions=2,
    tone_weight=0.2,
    name_dimensions=6,
)
THINGS = 12


def read(texts: Sequence[str]) -> np.ndarray:
    """Return a vector for each text, the same for the same text."""
    return np.stack(
        [unit(np.random.default_rng(list(text.encode())).standard_normal((1, 8)))[0] for text in texts]
    ).astype(np.float32)


def picture(number: int, artist: str, thing: str, tone: str = "", *, withheld: bool = False) -> Picture:
    """Return a picture called after its class."""
    texts = (f"thing {thing}",) if thing else (f"art {number}",)
    return Picture(f"{number}", Path(), artist, texts[0], thing, tone, texts, (), withheld, Freedom(), 0)


def world() -> Lesson:
    """Return a lesson about a dozen things by four artists, in three tones, one thing of them withheld."""
    rng = np.random.default_rng(0)
    kinds = [
        (artist, str(thing), tone)
        for artist in ("google", "twitter", "fluent-3d", "openmoji")
        for thing in range(THINGS)
        for tone in ("", "light", "dark", "medium")
    ] + [("", "", "")] * 10
    listed = [picture(place, *kind, withheld=kind[1] == "0") for place, kind in enumerate(kinds)]
    of_thing = {str(thing): rng.standard_normal(3) for thing in range(THINGS)} | {"": np.zeros(3)}
    of_tone = {"": 0.0, "light": 4.0, "dark": -4.0, "medium": 0.5}
    rows = np.stack(
        [
            np.concatenate(
                [
                    of_thing[one.thing] + 0.02 * rng.standard_normal(3),
                    5 * rng.standard_normal(3),
                    of_tone[one.tone] + 0.1 * rng.standard_normal(5),
                    rng.standard_normal(2),
                ]
            )
            for one in listed
        ]
    ).astype(np.float16)
    seen = Readings(rows, np.arange(len(listed)), np.ones(len(listed), dtype=np.bool_))
    classifier = Classifier([["hammer"], ["cup", "mug"]], rng.standard_normal((2, 6)).astype(np.float32))
    return Lesson(listed, seen, SIZES, frozenset(one.id for one in listed if not one.withheld), classifier)


def test_pictures_of_one_thing_come_together_whoever_drew_them() -> None:
    lesson = world()
    fitted = fit(lesson, read, RECIPE)

    bases = np.array([bool(one.thing) and not one.tone and not one.withheld for one in lesson.pictures])
    vectors = unit(fitted.discriminant(reduce_all(lesson, fitted.reductions, bases)))
    things = np.array([one.thing for one in lesson.pictures])[bases]
    likeness = vectors @ vectors.T - 2 * np.eye(len(vectors))
    assert (things[likeness.argmax(1)] == things).mean() > 0.9


def test_tones_are_told_by_colours() -> None:
    lesson = world()
    tone = fit(lesson, read, RECIPE).tone

    colours = lesson.seen.rows[:, lesson.parts()["colours"]]
    means = {
        name: tone(colours[[one.tone == name for one in lesson.pictures]]).mean(0)
        for name in ("light", "dark")
    }
    assert np.linalg.norm(means["light"] - means["dark"]) > 5


def test_of_pictures_that_may_not_be_learned_from_no_row_is_looked_at() -> None:
    lesson = world()
    spoilt = lesson.seen.rows.copy()
    spoilt[~lesson.may] = np.nan
    blind = replace(lesson, seen=replace(lesson.seen, rows=spoilt))

    found, other = fit(lesson, read, RECIPE), fit(blind, read, RECIPE)

    assert (found.discriminant.weight == other.discriminant.weight).all()
    assert (found.exemplars.coefficients == other.exemplars.coefficients).all()
    assert (found.tone.weight == other.tone.weight).all()


def test_a_withheld_name_is_no_anchor() -> None:
    anchors = fit(world(), read, RECIPE).exemplars.anchors

    likeness = anchors @ read(["thing 0", "thing 1"]).T
    assert likeness[:, 0].max() < 0.999
    assert likeness[:, 1].max() > 0.999


def test_every_name_of_imagenet_is_an_anchor() -> None:
    anchors = fit(world(), read, RECIPE).exemplars.anchors

    assert (anchors @ read(["hammer", "cup", "mug"]).T).max(0).min() > 0.999


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    fitted = fit(world(), read, RECIPE)

    fitted.save(tmp_path / "fitted.npz")
    loaded = Fitted.load(tmp_path / "fitted.npz")

    assert (loaded.discriminant.weight == fitted.discriminant.weight).all()
    assert (loaded.tone.offset == fitted.tone.offset).all()
    assert (loaded.exemplars.coefficients == fitted.exemplars.coefficients).all()
    assert (loaded.scale.spread == fitted.scale.spread).all()
    assert len(loaded.reductions) == len(fitted.reductions)


def test_any_constant_changes_the_digest() -> None:
    digests = {RECIPE.digest, Recipe().digest, Recipe(ridge=0.2).digest, Recipe(seed=1).digest}

    assert len(digests) == 4
