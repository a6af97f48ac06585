import csv
import io
from pathlib import Path

import pytest
from grpc import StatusCode

from tests.fakes.gateway_server import FakeServer
from tests.fakes.script import Trouble
from tests.unit.cli.conftest import Run, rows


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("b.png", "a.jpg", "c.webp"):
        (folder / name).write_text(name[0])
    (folder / "bad.gif").write_text("bad")
    return folder


def test_one_picture_is_shown_in_detail(run: Run, photos: Path) -> None:
    result = run("recognize", photos / "a.jpg")

    assert result.exit_code == 0
    assert "degraded (no_ranker)" in result.stdout
    assert "70.0%" in result.stdout
    assert "0.80 image e1" in result.stdout
    assert "unknown" in result.stdout


def test_a_ranked_picture_is_shown_with_what_each_source_said_of_each_label(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("goldfinch, ranked")

    shown = run("recognize", tmp_path / "a.jpg").stdout
    lines = [line.split() for line in shown.splitlines()]
    assert ["label", "prob.", "retrieval", "pairs", "nearest", "exemplars"] in lines
    assert next(line for line in lines if line[:2] == ["other", "20.0%"])[-2:] == ["30.0%", "10.0%"]
    assert "trust 0.50 < 0.60, uncalibrated" in shown
    assert "pictures, 90 ms; weights: retrieval 1.3, pairs 0.6" in " ".join(shown.split())
    table = list(csv.DictReader(io.StringIO(run("recognize", tmp_path, "--csv").stdout)))
    assert [each["evidence"] for each in table] == [
        "retrieval=0.700 pairs=0.900",
        "retrieval=0.300 pairs=0.100",
    ]
    (record,) = rows(run("recognize", tmp_path, "--json"))
    said = record["regions"][0]["judgement"]["evidence"][1]
    assert (said["source"], said["weight"], said["labels"][0]["label"]) == ("pairs", 0.6, "goldfinch")


def test_csv_says_what_was_left_out(run: Run, photos: Path) -> None:
    table = list(csv.DictReader(io.StringIO(run("recognize", photos / "a.jpg", "--csv").stdout)))

    assert {(each["rung"], each["evidence"]) for each in table} == {("no_ranker", "")}


def test_a_broader_answer_is_shown_with_what_it_may_be(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("goldfinch < finch")
    (tmp_path / "b.jpg").write_text("wren")

    assert "finch (85%), perhaps goldfinch" in run("recognize", tmp_path / "a.jpg").stdout
    row = next(line for line in run("recognize", tmp_path).stdout.splitlines() if "a.jpg" in line)
    assert row.split()[1:3] == ["finch", "85.0%"]
    assert "goldfinch 70%" in row
    table = list(csv.DictReader(io.StringIO(run("recognize", tmp_path, "--csv").stdout)))
    assert [(each["label"], each["answer"]) for each in table[:2]] == [
        ("goldfinch", "finch"),
        ("other", "finch"),
    ]


@pytest.mark.parametrize("stream", [[], ["--stream"]])
def test_many_pictures_are_a_table_in_order_and_bad_ones_are_counted(
    run: Run, server: FakeServer, photos: Path, stream: list[str]
) -> None:
    result = run("recognize", photos, *stream)

    assert result.exit_code == 1
    lines = [line.split() for line in result.stdout.splitlines() if "photos" in line]
    assert [Path(line[0]).name for line in lines] == ["a.jpg", "b.png", "c.webp"]
    assert [line[1] for line in lines] == ["a", "b", "c"]
    assert "bad.gif: this is not a picture (IMAGE_UNREADABLE, field image)" in result.stderr
    assert "recognised 3, 1 failed" in result.stderr
    assert bool(server.script.calls["RecognizeStream"]) == bool(stream)


@pytest.mark.parametrize("stream", [[], ["--stream"]])
def test_json_has_one_line_a_picture_with_all_that_explains_it(
    run: Run, photos: Path, stream: list[str]
) -> None:
    answers = rows(run("recognize", photos, "--json", "--box", "1,2,3,4", "--box", "0,0,1,1", *stream))

    assert [answer["best"] for answer in answers] == ["a", "b", None, "c"]
    assert answers[0]["regions"][0]["box"] == {"left": 1, "top": 2, "right": 3, "bottom": 4}
    assert len(answers[0]["regions"]) == 2
    assert answers[0]["regions"][0]["candidates"][0]["neighbours"][0]["similarity"] == 0.8
    assert answers[0]["stages"][0]["models"] == ["m@1"]
    assert answers[2]["failed"]
    assert answers[2]["failure"]["reason"] == "IMAGE_UNREADABLE"


def test_csv_has_one_row_a_label(run: Run, photos: Path) -> None:
    result = run("recognize", photos, "--csv")

    found = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(Path(row["source"]).name, row["rank"], row["label"]) for row in found] == [
        ("a.jpg", "1", "a"),
        ("a.jpg", "2", "other"),
        ("b.png", "1", "b"),
        ("b.png", "2", "other"),
        ("bad.gif", "", ""),
        ("c.webp", "1", "c"),
        ("c.webp", "2", "other"),
    ]
    assert found[4]["reason"] == "IMAGE_UNREADABLE"
    assert float(found[0]["probability"]) == 0.7


def test_size_and_connection_reach_the_server(run: Run, server: FakeServer, photos: Path) -> None:
    run(
        "--tenant",
        "acme",
        "recognize",
        photos / "a.jpg",
        "--size",
        3,
        "--collection",
        "birds",
        "--timeout",
        5,
    )

    task = server.script.requests["Recognize"][0].task
    assert (task.collection.tenant, task.collection.collection) == ("acme", "birds")
    assert task.options.size == 3
    assert server.script.deadlines["Recognize"][0] == pytest.approx(5, abs=1)


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


@pytest.mark.parametrize("box", ["1,2,3", "a,b,c,d", ""])
def test_a_box_that_is_none_is_a_usage_error(run: Run, photos: Path, box: str) -> None:
    assert run("recognize", photos, "--box", box).exit_code == 2


def test_nothing_to_recognize_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    assert run("recognize", tmp_path).exit_code == 2


def test_a_missing_file_is_an_item_that_fails(run: Run, photos: Path) -> None:
    result = run("recognize", photos / "a.jpg", photos / "nothing.png", "--json")

    assert result.exit_code == 1
    assert [answer["failed"] for answer in rows(result)] == [False, True]


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (Trouble(StatusCode.NOT_FOUND, "there is no collection x", "COLLECTION_NOT_FOUND"), 4),
        (Trouble(StatusCode.UNIMPLEMENTED, "no"), 6),
        (Trouble(StatusCode.DEADLINE_EXCEEDED, "late"), 7),
        (Trouble(StatusCode.RESOURCE_EXHAUSTED, "full"), 3),
        (Trouble(StatusCode.FAILED_PRECONDITION, "no"), 5),
        (Trouble(StatusCode.PERMISSION_DENIED, "no"), 8),
    ],
)
def test_an_error_of_the_call_ends_the_command(
    run: Run, server: FakeServer, photos: Path, trouble: Trouble, code: int
) -> None:
    server.script.plan("Recognize", trouble)

    result = run("recognize", photos)

    assert result.exit_code == code
    assert trouble.message in result.stderr
    assert server.script.calls["Recognize"] == 1


def test_what_would_fail_for_all_pictures_is_said_once(run: Run, photos: Path) -> None:
    result = run("recognize", photos, "--stream", "--collection", "nowhere")

    assert result.exit_code == 4
    assert result.stderr == "no such collection (COLLECTION_UNKNOWN)\n"


def test_no_server_is_exit_code_3_and_says_what_to_do(run: Run, photos: Path) -> None:
    result = run("recognize", photos, "--target", "127.0.0.1:1")

    assert result.exit_code == 3
    assert "fovea serve" in result.stderr
    assert "Traceback" not in result.stderr


def test_labels_from_outside_can_neither_style_nor_steer_the_terminal(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("[red]gold\x1b[31m\u202efinch[/red]")
    (tmp_path / "y.png").write_text("[/nonsense]")

    for args in ([tmp_path / "x.png"], [tmp_path], [tmp_path / "x.png", tmp_path / "y.png", "--stream"]):
        shown = run("recognize", *args).stdout
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert r"[red]gold\x1b[31m\u202efinch[/red]" in shown


def test_a_record_is_shown_again_by_its_id(run: Run, photos: Path) -> None:
    (answer,) = rows(run("recognize", photos / "a.jpg", "--json"))

    result = run("recognition", answer["recognition_id"], "--json")

    assert rows(result)[0]["best"] == "a"
    assert run("recognition", answer["recognition_id"]).exit_code == 0
    assert run("recognition", "nothing").exit_code == 4
