from tests.fakes.gateway_server import FakeServer
from tests.fakes.migration_servicer import a_report
from tests.unit.cli.conftest import Run, rows


def test_a_migration_is_started_and_waited_for(run: Run, server: FakeServer) -> None:
    (row,) = rows(run("memory", "migrate", "start", "visual-2", "--wait", "--json"))

    assert (row["to_space"], row["state"], row["both"]) == ("visual-2", "side_by_side", 3)
    assert len(server.script.requests["GetMigration"]) == 3  # the fourth exemplar has no picture any more


def test_the_status_says_what_is_next_and_what_is_in_the_way(run: Run) -> None:
    run("memory", "migrate", "start", "visual-2")

    result = run("memory", "migrate", "status")

    assert "visual-2" in result.stdout
    assert "1 have no picture any more: teach them anew" in result.stderr
    assert "fovea memory migrate cut-over" in result.stderr


def test_a_comparison_is_shown_and_ends_with_1_if_it_does_not_pass(run: Run, server: FakeServer) -> None:
    result = run("memory", "migrate", "evaluate", "--margin", "0.01", "--sample", "50")

    assert result.exit_code == 0
    assert "90.0%" in result.stdout
    assert "-5.0% to +1.0%" in result.stdout
    assert "passes: asked for 100 exemplars of 7 labels" in result.stderr
    (request,) = server.script.requests["EvaluateMigration"]
    assert (request.policy.margin, request.policy.sample) == (0.01, 50)

    server.migrations.report = a_report(passes=False)
    result = run("memory", "migrate", "evaluate", "--json")
    assert result.exit_code == 1
    assert rows(result)[0]["passes"] is False


def test_cutting_over_rolling_back_and_finishing_are_one_word_each(run: Run, server: FakeServer) -> None:
    run("memory", "migrate", "start", "visual-2")

    assert "cut_over" in run("memory", "migrate", "cut-over", "--override").stdout
    (request,) = server.script.requests["CutOverMigration"]
    assert request.override
    assert "side_by_side" in run("memory", "migrate", "roll-back").stdout
    assert "finished" in run("memory", "migrate", "finish").stdout
