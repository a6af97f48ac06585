import csv
import io
import json
import stat
from pathlib import Path

import pytest
from grpc import StatusCode

from tests.fakes.gateway_server import FakeServer
from tests.fakes.script import Trouble
from tests.unit.cli.conftest import Run, rows


@pytest.fixture(autouse=True)
def memory(run: Run) -> None:
    run("teach", "--name", "wren", "--name", "gold; finch")
    run("teach", "--label", "wren", "--attribute", "cocked tail")


def test_labels_in_three_forms(run: Run) -> None:
    table = run("labels")
    assert [line.split() for line in table.stdout.splitlines() if "wren" in line] == [["wren", "2"]]
    assert "2 labels, 3 exemplars in default/default" in table.stderr
    assert rows(run("labels", "--json"))[0] == {"label": "gold; finch", "exemplars": 1}
    assert run("labels", "--csv").stdout == "label,exemplars\ngold; finch,1\nwren,2\n"


def test_two_forms_at_once_are_a_usage_error(run: Run) -> None:
    assert run("labels", "--json", "--csv").exit_code == 2


def test_exemplars_are_listed_with_their_content(run: Run, server: FakeServer) -> None:
    result = run("exemplars", "--csv", "--label", "wren", "--where", "adult=true", "--where", "cm=9.5")

    found = list(csv.DictReader(io.StringIO(result.stdout)))
    assert {(row["label"], row["kind"], row["content"]) for row in found} == {
        ("wren", "name", "wren"),
        ("wren", "attribute", "cocked tail"),
    }
    conditions = server.script.requests["ListExemplars"][-1].filter
    assert [(test.attribute, test.equals.WhichOneof("kind")) for test in conditions] == [
        ("adult", "flag"),
        ("cm", "number"),
    ]
    assert "cocked tail" in run("exemplars").stdout
    assert len(rows(run("exemplars", "--limit", "1", "--json"))) == 1
    assert run("exemplars", "--where", "adult").exit_code == 2


def test_forgetting_by_id_and_by_label(run: Run, server: FakeServer) -> None:
    ids = [row["exemplar_id"] for row in rows(run("exemplars", "--json"))]

    assert "forgot 1 exemplar" in run("forget", ids[0]).stderr
    assert run("forget", ids[1], "nothing").exit_code == 1
    assert run("forget", "nothing").exit_code == 4
    assert run("forget").exit_code == 2
    assert run("forget", ids[2], "--label", "wren").exit_code == 2
    run("teach", "--name", "wren")
    assert rows(run("forget", "--label", "wren", "--json"))[0]["forgotten"] >= 1
    assert all(exemplar.label != "wren" for exemplar in server.memory.exemplars.values())


def test_a_correction_is_learnt(run: Run, server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("x")
    (answer,) = rows(run("recognize", tmp_path / "x.png", "--json"))

    result = run("correct", answer["recognition_id"], "goldfinch", "--region", "1")

    assert "exemplar corrected shows goldfinch" in result.stderr
    assert server.script.requests["Correct"][0].region_id == "1"
    assert run("correct", "nothing", "goldfinch").exit_code == 4


def test_an_export_is_one_json_line_an_exemplar(run: Run, tmp_path: Path) -> None:
    result = run("export", tmp_path / "all.jsonl")

    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert {line["label"] for line in lines} == {"wren", "gold; finch"}
    (embedding,) = lines[0]["embeddings"]
    assert (embedding["space"], embedding["encoder"]) == ("visual", "m@1")
    assert embedding["vector"] == pytest.approx([0.6, 0.8])
    assert "wrote 3 exemplars" in result.stderr
    assert stat.S_IMODE((tmp_path / "all.jsonl").stat().st_mode) & 0o444


def test_an_export_may_leave_the_embeddings_out_and_go_to_stdout(run: Run) -> None:
    result = run("export", "-", "--no-embeddings")

    assert len(rows(result)) == 3
    assert "embeddings" not in rows(result)[0]


def test_an_export_that_breaks_leaves_the_old_file(run: Run, server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "all.jsonl").write_text("old")
    server.script.plan("ExportExemplars", Trouble(StatusCode.DATA_LOSS, "torn", after_answers=2))

    assert run("export", tmp_path / "all.jsonl").exit_code == 8
    assert [path.name for path in tmp_path.iterdir()] == ["all.jsonl"]
    assert (tmp_path / "all.jsonl").read_text() == "old"


def test_a_folder_that_is_not_there_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    result = run("export", tmp_path / "nothing" / "all.jsonl")

    assert result.exit_code == 2
    assert "No such file" in result.stderr
