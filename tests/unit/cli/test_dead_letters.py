from tests.fakes.gateway_server import FakeServer
from tests.unit.cli.conftest import Run, rows

LETTER = "exemplars.submitted.dead:0:1"


def test_letters_are_listed_for_people_and_for_programs(run: Run) -> None:
    shown = run("dead-letters", "list").stdout
    assert LETTER in shown
    assert "IMAGE_TRUNCATED" in shown

    (row,) = rows(run("dead-letters", "list", "--topic", "exemplars.submitted", "--json"))
    assert (row["id"], row["failure"]["reason"], row["replayed"]) == (LETTER, "IMAGE_TRUNCATED", None)


def test_one_is_shown_with_its_headers_and_bytes(run: Run) -> None:
    shown = run("dead-letters", "show", LETTER).stdout
    assert "exemplars.submitted, partition 3, offset 71" in shown
    assert "encoding/1.2" in shown

    (row,) = rows(run("dead-letters", "show", LETTER, "--json"))
    assert (row["value_hex"], row["letter"]["headers"]) == ("00ff", {"event-id": "e1"})
    assert run("dead-letters", "show", "nothing").exit_code == 4


def test_a_dry_run_changes_nothing_and_a_second_replay_asks_for_again(run: Run, server: FakeServer) -> None:
    assert "would replay" in run("dead-letters", "replay", LETTER, "--dry-run").stdout
    assert not server.operations.letters[1].HasField("replayed_at")

    assert rows(run("dead-letters", "replay", LETTER, "--json"))[0]["outcome"] == "replayed"
    second = run("dead-letters", "replay", LETTER)
    assert second.exit_code == 0
    assert "already replayed" in second.stdout
    assert "--again" in second.stderr
    assert rows(run("dead-letters", "replay", LETTER, "--again", "--json"))[0]["outcome"] == "replayed"


def test_what_is_refused_says_why(run: Run) -> None:
    result = run("dead-letters", "replay", "--topic", "images.submitted")

    assert result.exit_code == 1
    assert "RECOGNITION_ENDED" in result.stdout


def test_a_replay_of_everything_must_be_asked_for_by_name(run: Run, server: FakeServer) -> None:
    assert run("dead-letters", "replay").exit_code == 2
    assert not server.script.requests["ReplayDeadLetters"]
