import csv
import io
from pathlib import Path

import pytest
from grpc import StatusCode

from tests.fakes.gateway_server import FakeServer
from tests.fakes.script import Trouble
from tests.unit.cli.conftest import Run, rows


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
