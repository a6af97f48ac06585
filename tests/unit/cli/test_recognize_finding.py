"""Looking for what is named, described or shown."""

import csv
import io
from pathlib import Path

import pytest

from tests.fakes.gateway_server import FakeServer
from tests.unit.cli.conftest import Run, rows


def test_what_is_looked_for_reaches_the_server_as_typed(
    run: Run, server: FakeServer, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "names.txt").write_text("cup\n\n  traffic light \ncup\n", encoding="utf-8")

    options = ["--find", 'bottle, "green"', "--find-phrase", "the cup on the left", "--find-exemplar", "e7"]
    more = ["--find-sentence", "A cup, with a dent.", "--find-file", tmp_path / "names.txt"]
    how = ["--find-threshold", 0.25, "--find-overlap", 0.5, "--no-tiles"]
    assert run("recognize", photos / "a.jpg", *options, *more, *how).exit_code == 0

    asked = server.script.requests["Recognize"][0].task.options
    kinds = [prompt.WhichOneof("kind") for prompt in asked.prompts]
    assert kinds == ["name", "name", "name", "phrase", "sentence", "exemplar_id"]
    assert [prompt.name for prompt in asked.prompts[:3]] == ['bottle, "green"', "cup", "traffic light"]
    assert asked.prompts[3].phrase == "the cup on the left"
    assert asked.prompts[4].sentence == "A cup, with a dent."
    assert (asked.find.threshold, asked.find.overlap, asked.find.tiles) == (0.25, 0.5, False)


def test_one_picture_shows_what_found_each_thing(run: Run, photos: Path) -> None:
    result = run("recognize", photos / "a.jpg", "--find", "bottle", "--find-phrase", "the cup")

    assert "region 0 (0, 0, 2, 3)  'bottle' 90%  a" in result.stdout
    assert "region 1 (1, 0, 3, 3)  'the cup' 78%  a" in result.stdout
    assert "nothing found" not in result.stdout
    assert (
        "nothing found: 'missing'"
        in run("recognize", photos / "a.jpg", "--find", "cup", "--find", "missing").stdout
    )


def test_many_pictures_show_prompt_score_and_box_of_each_thing(run: Run, photos: Path) -> None:
    result = run("recognize", photos, "--find", "bottle", "--find", "missing", "--stream")

    found = [line.split()[1:9] for line in result.stdout.splitlines() if "bottle" in line]
    assert found == [["0", "bottle", "90.0%", "0,", "0,", "2,", "3", label] for label in "abc"]


def test_a_thing_found_is_a_record_with_prompt_score_box_and_outline(run: Run, photos: Path) -> None:
    (answer,) = rows(run("recognize", photos / "a.jpg", "--find", "bottle", "--json"))

    (region,) = answer["regions"]
    bottle = {"text": "bottle", "kind": "name"}
    assert region["found_by"] == {"prompt": bottle, "score": 0.9, "threshold": 0.3}
    assert region["box"] == {"left": 0, "top": 0, "right": 2, "bottom": 3}
    assert region["mask"]["counts"] == [0, 6, 6]
    assert answer["prompts"] == [bottle]
    (outlined,) = rows(
        run("recognize", photos / "a.jpg", "--find", "bottle", "--mask-format", "polygons", "--json")
    )
    assert outlined["regions"][0]["mask"] is None
    assert outlined["regions"][0]["polygons"] == [[[2, 0], [4, 0], [4, 3], [2, 3]]]
    table = run("recognize", photos / "a.jpg", "--find", "cup", "--csv").stdout
    row = next(csv.DictReader(io.StringIO(table)))
    assert (row["prompt_kind"], row["prompt"], row["prompt_score"]) == ("name", "cup", "0.9")


@pytest.mark.parametrize("stream", [[], ["--stream"]])
def test_where_nothing_is_found_every_form_says_so_and_nothing_fails(
    run: Run, photos: Path, stream: list[str]
) -> None:
    (photos / "bad.gif").unlink()
    missing = ["--find", "missing", *stream]

    alone = run("recognize", photos / "a.jpg", *missing)
    table = run("recognize", photos, *missing)
    answers = rows(run("recognize", photos, "--json", *missing))
    lines = list(csv.DictReader(io.StringIO(run("recognize", photos, "--csv", *missing).stdout)))

    assert (alone.exit_code, table.exit_code) == (0, 0)
    assert "nothing found: 'missing'" in alone.stdout
    shown = [line.split()[1:] for line in table.stdout.splitlines() if "photos" in line]
    assert shown == [["nothing_found"]] * 3
    told = [(each["regions"], each["best"], each["status"]) for each in answers]
    assert told == [([], None, "nothing_found")] * 3
    assert [(each["status"], each["label"]) for each in lines] == [("nothing_found", "")] * 3


def test_a_phrase_that_is_given_as_a_name_is_looked_for_as_a_name_and_the_other_way_is_named(
    run: Run, server: FakeServer, photos: Path
) -> None:
    result = run("recognize", photos / "a.jpg", "--find", "The cup on the left", "--json")

    assert "--find-phrase" in result.stderr
    assert server.script.requests["Recognize"][0].task.options.prompts[0].name == "The cup on the left"


def test_boxes_and_things_to_find_are_a_usage_error(run: Run, photos: Path) -> None:
    for command in ("recognize", "submit"):
        assert run(command, photos, "--box", "1,2,3,4", "--find", "cup").exit_code == 2


@pytest.mark.parametrize(
    "option", [["--find-threshold", 2], ["--find-overlap", -1], ["--find-file", "no.txt"]]
)
def test_an_option_of_finding_out_of_range_is_a_usage_error(
    run: Run, photos: Path, option: list[object]
) -> None:
    assert run("recognize", photos, "--find", "cup", *option).exit_code == 2


def test_a_file_of_names_that_is_no_text_is_a_usage_error(run: Run, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(b"\xff\xfe\x00cup")

    assert run("recognize", photos, "--find-file", tmp_path / "names.txt").exit_code == 2
