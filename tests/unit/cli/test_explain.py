from pathlib import Path

import pytest

from tests.fakes.gateway_server import FakeServer
from tests.unit.cli.conftest import Run, rows


@pytest.fixture
def record(run: Run, tmp_path: Path) -> str:
    (tmp_path / "bird.png").write_text("goldfinch")
    (row,) = rows(run("recognize", tmp_path / "bird.png", "--json"))
    return str(row["recognition_id"])


def test_an_answer_is_explained_by_its_neighbours_gates_and_what_is_left_without_them(
    run: Run, server: FakeServer, record: str
) -> None:
    shown = run("explain", record, "--exemplars", 2).stdout

    assert "goldfinch" in shown
    assert "nearest exemplars" in shown
    assert "trust" in shown
    assert [line.split()[:3] for line in shown.splitlines() if "60.0%" in line] == [
        ["x1", "60.0%", "unknown"]
    ]
    assert "all 2 of them" in shown
    (request,) = server.script.requests["ExplainRecognition"]
    assert (request.recognition_id, request.exemplars) == (record, 2)


def test_an_explanation_says_if_the_memory_has_changed_or_the_picture_is_gone(
    run: Run, server: FakeServer, record: str
) -> None:
    server.explanations.memory_version = "m2"
    said = run("explain", record).stderr
    assert "exemplars came or went" in said
    assert "the record says goldfinch; asked again, with all exemplars, the answer is wren" in said

    server.explanations.image_gone = True
    result = run("explain", record)
    assert result.exit_code == 0
    assert "no longer kept" in result.stderr
    (row,) = rows(run("explain", record, "--json"))
    assert (row["answer"]["label"], row["failure"]["reason"]) == ("goldfinch", "IMAGE_GONE")


def test_a_replay_that_finds_nothing_says_so(run: Run, record: str) -> None:
    result = run("replay", record)

    assert result.exit_code == 0
    assert "every step answers as it did" in result.stdout


def test_a_replay_names_the_first_step_that_differs(run: Run, server: FakeServer, record: str) -> None:
    server.explanations.memory_version = "m2"

    result = run("replay", record)

    assert result.exit_code == 1
    assert "the first step that answers otherwise is retrieval" in result.stdout
    assert "memory_version" in result.stdout
    assert "and 3 more" in result.stdout
    steps = rows(run("replay", record, "--json"))
    assert [step["outcome"] for step in steps] == ["same", "same", "differs", "same"]
    assert len(steps[2]["differences"]) == 7
    lines = run("replay", record, "--csv").stdout.splitlines()
    assert lines[0] == "step,outcome,place,before,now"
    assert len(lines) == 1 + 3 + 8


def test_a_step_that_could_not_be_run_is_told(run: Run, server: FakeServer, record: str) -> None:
    server.explanations.image_gone = True

    result = run("replay", record)

    assert result.exit_code == 1
    assert "ranking could not be run: the image is no longer kept" in result.stdout


def test_an_unknown_recognition_has_its_exit_code(run: Run) -> None:
    assert run("explain", "nothing").exit_code == 4
    assert run("replay", "nothing").exit_code == 4
