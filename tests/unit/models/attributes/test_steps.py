"""Sheets that begin, are filled by models, described, and taught."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from models.attributes import work
from models.attributes.__main__ import main
from models.attributes.discovery import question_for
from models.attributes.lines import read, write
from models.attributes.records import (
    AttributeRecord,
    ClassRecord,
    ImageRecord,
    Sheet,
    ValueRecord,
)
from models.ranking.open_set import Matching, Vocabulary
from tests.fakes.answerers import Told
from tests.fakes.chat_server import Chat, chat_server
from tests.unit.models.attributes.sheets import TODAY, say, with_attributes


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
