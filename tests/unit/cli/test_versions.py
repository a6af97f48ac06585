from __future__ import annotations

from pathlib import Path

import pytest

from fovea.cli.exits import ExitCode
from tests.fakes.gateway_server import FakeServer
from tests.unit.cli.conftest import Run, rows


def test_a_version_is_kept_and_listed(run: Run) -> None:
    kept = run("memory", "versions", "keep", "spring", "--description", "before the import")
    listed = run("memory", "versions", "list", "--csv").stdout.splitlines()

    assert "kept 3 exemplars of 1 label as spring" in kept.stderr
    assert listed[1] == "spring,2023-11-14T22:13:20+00:00,3,1,before the import"


def test_a_version_that_is_not_there_is_answered_with_those_that_are(run: Run) -> None:
    failed = run("memory", "versions", "delete", "autumn")

    assert failed.exit_code == ExitCode.NOT_FOUND
    assert "there are spring" in failed.stderr


def test_a_comparison_lists_what_changed_and_ends_with_the_whole(run: Run) -> None:
    shown = run("memory", "versions", "compare", "spring", "--queries", "gold")

    assert "mended" in shown.stdout
    assert "broken" in shown.stdout
    assert "same answer: 75.0% (95 % interval 25.0% to 75.0%, n = 8)" in shown.stderr
    assert "1 mended, 1 broken" in shown.stderr


def test_nothing_is_said_about_right_answers_that_nobody_knows(run: Run, server: FakeServer) -> None:
    server.versions.labelled = False

    shown = run("memory", "versions", "compare", "spring", "summer", "--queries", "gold")

    assert "right before" not in shown.stderr
    (request,) = server.script.requests["CompareStates"]
    assert (request.before.version, request.after.version) == ("spring", "summer")


def test_changed_answers_are_lines_of_json_for_programs(run: Run) -> None:
    found = rows(run("memory", "versions", "compare", "spring", "--queries", "gold", "--json"))

    assert [each["query_id"] for each in found] == ["q0", "q1"]
    assert found[0]["before"]["label"] == "wren"


def test_a_revert_says_what_it_did_or_would_do(run: Run, server: FakeServer) -> None:
    dry = run("memory", "versions", "revert", "spring", "--dry-run")
    done = run("memory", "versions", "revert", "spring")

    assert "1 exemplar would be brought back, 2 would be forgotten" in dry.stderr
    assert "1 exemplar brought back, 2 forgotten" in done.stderr
    assert [request.dry_run for request in server.script.requests["ApplyState"]] == [True, False]


def test_what_cannot_be_brought_back_is_told_and_shows_in_the_exit_code(run: Run, server: FakeServer) -> None:
    server.versions.fails = True

    failed = run("memory", "versions", "revert", "spring")

    assert failed.exit_code == ExitCode.SOME_FAILED
    assert "no such encoder runs" in failed.stderr


def test_queries_are_kept_listed_and_deleted(run: Run, server: FakeServer) -> None:
    kept = run("memory", "queries", "keep", "gold", "--per-label", 2, "--recognition", "r1=house sparrow")

    assert "kept 5 queries, 5 with a right label, as gold" in kept.stderr
    (asked,) = server.script.requests["KeepQueries"][0].recognitions
    assert (asked.recognition_id, asked.right_label) == ("r1", "house sparrow")
    assert rows(run("memory", "queries", "list", "--json"))[0]["queries"] == 5
    assert "deleted" in run("memory", "queries", "delete", "gold").stderr


def test_a_query_set_of_nothing_is_refused_before_anything_is_asked(run: Run, server: FakeServer) -> None:
    assert run("memory", "queries", "keep", "gold").exit_code == ExitCode.USAGE
    assert not server.script.calls["KeepQueries"]


@pytest.fixture
def edits(tmp_path: Path) -> Path:
    file = tmp_path / "edits.csv"
    file.write_text("label,exemplar_id,new_label\nwren,a, robin \nwren,b,\n")
    return file


def test_edits_are_read_from_a_table_and_asked_before_they_are_made(
    run: Run, server: FakeServer, edits: Path
) -> None:
    shown = run("memory", "propose", edits, "--queries", "gold")

    assert "1 mended, 1 broken" in shown.stderr
    (request,) = server.script.requests["CompareStates"]
    assert [(each.exemplar_id, each.label, each.forget) for each in request.after.edits.edits] == [
        ("a", "robin", False),
        ("b", "", True),
    ]
    assert "brought back" in run("memory", "apply", edits).stderr
    (request,) = server.script.requests["ApplyState"]
    assert len(request.to.edits.edits) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("exemplar_id\na\n", "no column new_label"),
        ("exemplar_id,new_label\na,robin\na,wren\n", "line 3"),
        ("exemplar_id,new_label\n,robin\n", "names no exemplar"),
        ("exemplar_id,new_label\n", "has no edits"),
    ],
)
def test_a_table_that_is_none_of_edits_is_refused_with_its_line(
    run: Run, server: FakeServer, tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "edits.csv"
    file.write_text(text)

    failed = run("memory", "apply", file)

    assert failed.exit_code == ExitCode.USAGE
    assert words in " ".join(failed.stderr.replace("│", " ").split())
    assert not server.script.calls["ApplyState"]


def test_erasing_what_only_a_version_has_is_no_failure(run: Run, server: FakeServer) -> None:
    erased = run("forget", "a", "--erase")

    assert erased.exit_code == ExitCode.OK
    assert "erased 0 exemplars" in erased.stderr
    assert server.script.requests["Forget"][0].erase
