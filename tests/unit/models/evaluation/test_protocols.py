from itertools import product
from pathlib import Path

import numpy as np
import pytest

from models.data.manifest import Manifest, Row
from models.data.sets.emoji import MAIN_ARTISTS, TONES
from models.evaluation.metrics import Share
from models.evaluation.protocols import artists, names, shots, tones
from models.evaluation.protocols.artists import NAME, PICTURE
from models.evaluation.sampling import TooFew
from tests.fakes.subjects import LabelSubject

KINDS = ("cat", "dog", "fox", "owl", "bee", "ant")


def emoji(*, toned: bool = False) -> Manifest:
    rows = [
        row(artist, f"1f{number:03x}", label)
        for artist, (number, label) in product(MAIN_ARTISTS, enumerate(KINDS))
    ]
    if toned:
        rows += [
            row(
                artist,
                f"1f{number:03x}-{code.lower()}",
                f"{label}: {tone}",
                tone=tone,
                parent=f"1f{number:03x}",
            )
            for artist, (number, label), (code, tone) in product(
                MAIN_ARTISTS, enumerate(KINDS), TONES.items()
            )
        ]
    return Manifest("emoji", Path("/nowhere"), tuple(rows))


def row(artist: str, codepoint: str, label: str, *, tone: str = "", parent: str = "") -> Row:
    split = "withheld" if label.startswith(("cat", "dog")) else "train"
    unseen = "yes" if split == "withheld" else ""
    columns = {"artist": artist, "codepoint": codepoint, "tone": tone, "parent": parent, "unseen": unseen}
    return Row(f"{artist}/{codepoint}", "a.png", label, split, "MIT", "00", {**columns, "group": label[:1]})


def by_artist(each: Row) -> str:
    """See only who drew it."""
    return each["artist"] + each["tone"]


def test_who_sees_what_is_shown_is_right_by_picture_and_by_name_for_every_artist() -> None:
    found = artists.ask(emoji(), {artist: [LabelSubject()] for artist in MAIN_ARTISTS})

    assert [(each.artist, each.by) for each in found] == list(product(MAIN_ARTISTS, (PICTURE, NAME)))
    assert {each.top(1) for each in found} == {Share(6, 6)}


def test_who_sees_only_the_style_is_never_right_because_ties_count_against() -> None:
    blind = LabelSubject(text=by_artist, knows_names=False)

    found = artists.ask(emoji(), {artist: [blind] for artist in MAIN_ARTISTS})

    assert {each.by for each in found} == {PICTURE}
    assert {each.top(1) for each in found} == {Share(0, 6)}
    assert {each.top(6) for each in found} == {Share(6, 6)}


def test_the_artist_who_is_asked_is_not_in_the_memory() -> None:
    recalls_itself = LabelSubject(text=lambda each: each.id, knows_names=False)

    found = artists.ask(emoji(), {artist: [recalls_itself] for artist in MAIN_ARTISTS})

    assert sum(each.top(1).hits for each in found) <= 6


def test_a_group_is_counted_by_itself() -> None:
    found = artists.ask(emoji(), {artist: [LabelSubject()] for artist in MAIN_ARTISTS})

    assert found[0].within("group", "c") == Share(1, 1)


def test_unseen_names_are_asked_among_themselves_and_among_all() -> None:
    few, everything = names.unseen(emoji(), MAIN_ARTISTS, LabelSubject(), LabelSubject("judge"))

    assert (few.candidates, everything.candidates) == (2, 6)
    assert few.first == everything.first == Share(6, 6)
    assert few.cacc == few.sacc == 1.0
    assert names.per_artist(few, 3) == [Share(2, 2)] * 3


def test_always_the_same_name_is_right_for_its_own_pictures_alone() -> None:
    stubborn = LabelSubject(text=lambda _: "cat")

    found = names.named("all", emoji(), KINDS, stubborn, LabelSubject("judge"))

    assert found is not None
    assert found.first == Share(3, 18)
    assert found.cacc == pytest.approx(3 / 18)
    assert set(found.predicted) == {"cat"}


def test_who_knows_no_names_is_not_asked_by_name() -> None:
    mute = LabelSubject(knows_names=False)

    assert names.photographs(emoji(), mute, LabelSubject("judge")) is None


def test_tones_are_told_within_their_emoji() -> None:
    found = tones.tell(emoji(toned=True), "google", LabelSubject(text=lambda each: each["tone"]))

    assert found.share == Share(30, 30)
    assert found.what == "6 emoji"


def test_who_sees_no_tone_is_never_right_because_ties_count_against() -> None:
    blind = LabelSubject(text=lambda each: each["parent"])

    assert tones.tell(emoji(toned=True), "twitter", blind).share == Share(0, 30)


def test_only_emoji_that_were_withheld_with_all_their_tones_can_be_asked_for() -> None:
    found = tones.tell(emoji(toned=True), "google", LabelSubject(), "withheld")

    assert found.share.count == 10
    assert found.what == "2 withheld emoji"


def test_more_shots_help_who_sees_only_some_pictures_as_they_are() -> None:
    pictures = Manifest(
        "many",
        Path("/nowhere"),
        tuple(Row(f"{label}/{n}", "a.png", label, "test", "MIT", "00") for label in KINDS for n in range(8)),
    )
    two_looks = LabelSubject(text=lambda each: each.label + str(int(each.id[-1]) % 2))

    one, two, four = shots.ask(pictures, two_looks, queries=2)

    assert [each.shots for each in (one, two, four)] == [1, 2, 4]
    assert one.top.value < two.top.value < four.top.value
    assert one.classes == 6


def test_classes_with_too_few_pictures_are_left_out_and_none_at_all_is_an_error() -> None:
    few = Manifest("few", Path("/nowhere"), (Row("a", "a.png", "cat", "test", "MIT", "00"),))

    with pytest.raises((TooFew, ValueError)):
        shots.ask(few, LabelSubject())


def test_what_is_drawn_is_the_same_each_time() -> None:
    pictures = emoji()

    first = shots.ask(pictures, LabelSubject(text=by_artist), shots=(1, 2))
    second = shots.ask(pictures, LabelSubject(text=by_artist), shots=(1, 2))

    assert first == second
    assert np.isfinite(first[0].top.half)
