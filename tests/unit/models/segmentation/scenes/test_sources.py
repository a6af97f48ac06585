"""Nothing that is judged on was trained on."""

from __future__ import annotations

from itertools import product

from models.data.manifest import Row
from models.data.splits import EVALUATION, TRAIN, WITHHELD
from models.segmentation.scenes.sources import HELD_OUT_ARTIST, Names, Use, scenery_use, use_of
from models.vision.local_encoder.cutouts import is_development

CODEPOINTS = [f"{number:x}" for number in range(0x1F300, 0x1F300 + 600)]
ARTISTS = ("google", "openmoji", "fluent-3d", "fluent-flat")


def row(artist: str, codepoint: str, split: str = TRAIN, unseen: str = "") -> Row:
    columns = {"artist": artist, "codepoint": codepoint, "unseen": unseen}
    return Row(f"emoji/{artist}/{codepoint}", f"{codepoint}.png", "a name", split, "MIT", "0" * 64, columns)


def test_no_drawing_of_the_held_out_artist_is_trained_on() -> None:
    for codepoint, split, unseen in product(CODEPOINTS[:60], (TRAIN, WITHHELD), ("", "yes")):
        use = use_of(row(HELD_OUT_ARTIST, codepoint, split, unseen))
        assert use is None or use[0] is Use.EVALUATION


def test_no_drawing_of_another_artist_is_judged_on() -> None:
    for artist, codepoint in product(ARTISTS, CODEPOINTS):
        use = use_of(row(artist, codepoint))
        assert use is not None
        assert use[0] is not Use.EVALUATION


def test_withheld_names_are_for_evaluation_alone_and_only_if_drawn_as_unseen() -> None:
    assert use_of(row("google", "1f600", WITHHELD, "yes")) is None
    assert use_of(row(HELD_OUT_ARTIST, "1f600", WITHHELD, "yes")) == (Use.EVALUATION, Names.UNSEEN)
    assert use_of(row(HELD_OUT_ARTIST, "1f600", WITHHELD)) is None


def test_development_names_are_neither_trained_nor_judged_on() -> None:
    kept = [codepoint for codepoint in CODEPOINTS if is_development(codepoint)]

    assert kept
    for codepoint in kept:
        assert use_of(row("google", codepoint)) == (Use.DEVELOPMENT, Names.UNSEEN)
        assert use_of(row(HELD_OUT_ARTIST, codepoint)) is None


def test_one_drawing_in_twelve_is_left_out_and_with_it_its_twin() -> None:
    trained = [use_of(row("fluent-3d", codepoint)) for codepoint in CODEPOINTS]
    twins = [use_of(row("fluent-flat", codepoint)) for codepoint in CODEPOINTS]
    others = [use_of(row("google", codepoint)) for codepoint in CODEPOINTS]

    assert trained == twins
    assert trained != others
    assert 0.04 < trained.count((Use.DEVELOPMENT, Names.SEEN)) / len(CODEPOINTS) < 0.13


def test_scenery_is_split_by_file() -> None:
    def scenery(digest: str, split: str) -> Use:
        return scenery_use(
            Row(f"scenery/{digest}", "a.webp", "sea", split, "GPL", digest, {"kind": "scenery"})
        )

    assert scenery("a", EVALUATION) is Use.EVALUATION
    uses = [scenery(f"{number:064x}", TRAIN) for number in range(200)]
    assert set(uses) == {Use.TRAINING, Use.DEVELOPMENT}
