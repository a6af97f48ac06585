"""Two encoders of pictures, side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.vision.preparation import PreparationSettings
from services.encoding.usecases import SPACE_MISSING
from services.kernel.errors import InvalidInput, Unavailable
from services.kernel.vocabulary import Box, Exemplar, ExemplarKind, Region, RegionOrigin
from tests.fakes.encoded import IMAGE, PICTURE, FakeEncoding
from tests.fakes.encoding import DarknessEncoder

LEFT = Region("0", Box(0, 0, 20, 30), RegionOrigin.CALLER)
WREN = Exemplar("e1", "wren", ExemplarKind.IMAGE, image=IMAGE)
NAME = Exemplar("e2", "wren", ExemplarKind.NAME, text="wren")


@pytest.fixture
def dark() -> DarknessEncoder:
    return DarknessEncoder()


@pytest.fixture
def encoding(dark: DarknessEncoder) -> FakeEncoding:
    return FakeEncoding({IMAGE.key: PICTURE}, None, dark)


def spaces_of(encoding: FakeEncoding, *wanted: str) -> list[str]:
    (region,) = encoding.regions(IMAGE, [LEFT], spaces=wanted).regions
    return [each.space for each in region.embeddings]


def test_only_the_spaces_that_are_wanted_are_encoded_into(encoding: FakeEncoding) -> None:
    assert spaces_of(encoding) == ["visual", "name"]
    assert spaces_of(encoding, "visual") == ["visual"]
    assert spaces_of(encoding, "dark") == ["dark"]
    assert spaces_of(encoding, "dark", "name") == ["name", "dark"]


def test_an_encoder_that_nobody_wants_is_not_asked(encoding: FakeEncoding, dark: DarknessEncoder) -> None:
    spaces_of(encoding, "visual", "name")

    assert dark.batches == []

    spaces_of(encoding, "dark")

    assert (dark.batches, encoding.eyes.batches) == ([1], [1])


def test_the_record_names_the_models_that_were_asked(encoding: FakeEncoding) -> None:
    assert encoding.regions(IMAGE, [LEFT], spaces=["dark"]).stage.models == ("darkness@1",)


def test_a_space_that_nobody_serves_is_in_the_record(encoding: FakeEncoding) -> None:
    found = encoding.regions(IMAGE, [LEFT], spaces=["visual", "gone"])

    assert found.stage.rungs == (SPACE_MISSING,)
    assert [each.space for each in found.regions[0].embeddings] == ["visual"]
    assert encoding.regions(IMAGE, [LEFT], spaces=["visual"]).stage.rungs == ()


def test_a_picture_is_kept_in_the_spaces_of_looks_that_are_wanted(encoding: FakeEncoding) -> None:
    def kept(*spaces: str) -> list[str]:
        return [each.space for each in encoding.exemplar(WREN, spaces=spaces).embeddings]

    assert kept() == ["visual"]
    assert kept("visual", "dark", "name") == ["visual", "dark"]
    assert kept("dark") == ["dark"]
    assert kept("name") == ["visual"]
    assert kept("gone") == ["visual"]


def test_a_text_is_kept_in_the_space_of_names_whatever_pictures_are_kept_in(encoding: FakeEncoding) -> None:
    found = encoding.exemplar(NAME, spaces=["visual", "dark"])

    assert [each.space for each in found.embeddings] == ["name"]


def test_a_text_is_encoded_into_the_space_that_is_named_by_whoever_serves_it(encoding: FakeEncoding) -> None:
    (first,) = encoding.texts(["wren"]).embeddings
    old = encoding.texts(["wren"], space="old")

    assert (first.space, first.encoder) == ("name", "letters@1")
    assert (old.embeddings[0].space, old.stage.models) == ("old", ("runes@1",))
    assert encoding.counted["texts"].outcomes == {"miss": 2}


def test_a_text_is_kept_in_each_space_of_texts_that_is_wanted(encoding: FakeEncoding) -> None:
    def kept(*spaces: str) -> list[str]:
        return [each.space for each in encoding.exemplar(NAME, spaces=spaces).embeddings]

    assert kept() == kept("visual") == kept("gone") == ["name"]
    assert kept("name", "old", "visual") == ["name", "old"]
    assert kept("old") == ["old"]


def test_an_exemplar_gets_what_it_lacks_and_keeps_what_it_has(encoding: FakeEncoding) -> None:
    old = encoding.exemplar(WREN)

    both = encoding.exemplar.completed(old, spaces=["visual", "dark"])

    assert both.embeddings[0] is old.embeddings[0]
    assert [each.space for each in both.embeddings] == ["visual", "dark"]
    assert encoding.exemplar.completed(both, spaces=["visual", "dark"]) is both


def test_what_cannot_be_filled_in_is_refused_with_the_spaces_that_are_served(encoding: FakeEncoding) -> None:
    old = encoding.exemplar(WREN)

    with pytest.raises(InvalidInput, match="into gone here, but into visual, dark") as caught:
        encoding.exemplar.completed(old, spaces=["gone"])
    assert caught.value.reason == "SPACE_NOT_SERVED"
    with pytest.raises(InvalidInput, match="image is missing"):
        encoding.exemplar.completed(
            replace(old, exemplar=replace(WREN, image=None)), spaces=["visual", "dark"]
        )


def test_crops_are_made_for_each_encoder_as_it_wants_them() -> None:
    small = DarknessEncoder(settings=PreparationSettings(size_px=32, fit="stretch"))
    like = DarknessEncoder(space="twilight")
    encoding = FakeEncoding({IMAGE.key: PICTURE}, None, like, small)

    (region,) = encoding.regions(IMAGE, [LEFT], spaces=["visual", "twilight", "dark"]).regions

    assert [each.space for each in region.embeddings] == ["visual", "twilight", "dark"]
    assert (encoding.eyes.sides_px, like.sides_px, small.sides_px) == ({224}, {224}, {32})


def test_embeddings_of_either_encoder_are_taken_back(encoding: FakeEncoding) -> None:
    both = encoding.exemplar(WREN, spaces=["visual", "dark"])

    assert encoding.restore(both) is both


def test_an_encoder_that_is_away_is_missed_by_those_alone_who_use_it(
    encoding: FakeEncoding, dark: DarknessEncoder
) -> None:
    dark.away = True

    assert spaces_of(encoding) == ["visual", "name"]
    old = encoding.exemplar(WREN, spaces=["visual"])
    assert encoding.restore(old) is old
    with pytest.raises(Unavailable):
        encoding.exemplar(WREN, spaces=["visual", "dark"])
