from pathlib import Path

import pytest

from tests.fakes.gateway_server import FakeServer
from tests.unit.cli.conftest import Run, rows


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, content in {"a.jpg": "a", "b.jpg": "bad", "c.jpg": "dead"}.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def test_receipts_come_in_order_and_name_the_batch(run: Run, photos: Path) -> None:
    result = run("submit", photos, "--submission-id", "monday", "--json")

    receipts = rows(result)
    assert [Path(receipt["source"]).name for receipt in receipts] == ["a.jpg", "c.jpg"]
    assert receipts[0]["accepted_at"].startswith("2023-11-14T22:13:20")
    assert result.exit_code == 1
    assert "b.jpg: this is not a picture" in result.stderr
    assert "fovea submission monday" in result.stderr
    (told,) = rows(run("submission", "monday", "--json"))
    assert told == {"submission_id": "monday", "accepted": 2, "completed": 1, "failed": 1, "pending": 0}
    assert "monday" in run("submission", "monday").stdout


def test_waiting_prints_the_answers_when_all_have_ended(run: Run, server: FakeServer, photos: Path) -> None:
    server.gateway.looks_until_done = 3

    result = run("submit", photos, "--wait", "--json")

    assert server.script.calls["GetSubmission"] == 4

    answers = rows(result)
    assert [(Path(answer["source"]).name, answer["best"]) for answer in answers] == [
        ("a.jpg", "a"),
        ("c.jpg", None),
    ]
    assert answers[1]["failure"]["reason"] == "IMAGE_UNREADABLE"
    assert result.exit_code == 1
    assert "recognised 1, 1 failed" in result.stderr


def test_what_is_looked_for_is_submitted_and_what_was_found_is_printed(
    run: Run, server: FakeServer, photos: Path
) -> None:
    (photos / "b.jpg").unlink()
    (photos / "c.jpg").unlink()

    result = run("submit", photos, "--wait", "--find", "bottle", "--find-threshold", 0.5)

    asked = server.script.requests["SubmitImages"][0].task.options
    assert (asked.prompts[0].name, asked.find.threshold) == ("bottle", 0.5)
    (row,) = [line for line in result.stdout.splitlines() if "bottle" in line]
    assert row.split()[1:4] == ["0", "bottle", "90.0%"]


def test_a_watch_says_where_nothing_was_found(run: Run, server: FakeServer, photos: Path) -> None:
    run("submit", photos / "a.jpg", "--find", "missing")
    server.gateway.watched = list(server.gateway.records.values())

    assert "nothing found" in run("watch", "--count", "1").stdout


def test_a_watch_prints_records_and_tokens(run: Run, server: FakeServer, photos: Path) -> None:
    run("submit", photos, "--submission-id", "monday")
    server.gateway.watched = list(server.gateway.records.values())

    answers = rows(run("watch", "--count", "2", "--submission", "monday", "--json"))
    assert [(answer["best"], answer["resume_token"]) for answer in answers] == [("a", "1"), (None, "2")]
    assert server.script.requests["WatchRecognitions"][0].submission_id == "monday"

    shown = run("watch", "--resume-token", "1", "--count", "1").stdout
    assert "failed: this is not a picture" in shown
    assert "a 70%" in run("watch", "--count", "1").stdout
