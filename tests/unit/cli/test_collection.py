from pathlib import Path

import pytest

from fovea.cli.collection import parsed_retention
from fovea.client import Retention
from tests.fakes.gateway_server import FakeServer
from tests.unit.cli.conftest import Run, rows


def test_a_collection_lives_and_dies(run: Run, server: FakeServer) -> None:
    created = run(
        "collections", "create", "birds", "--retention", "30", "--description", "of the garden", "--json"
    )
    assert rows(created)[0]["retention"] == {"policy": "days", "days": 30}

    assert run("collections", "update", "birds", "--unknown-threshold", "0").exit_code == 0
    (kept,) = rows(run("collections", "show", "birds", "--json"))
    assert (kept["description"], kept["unknown_threshold"], kept["trust_threshold"]) == (
        "of the garden",
        0,
        None,
    )

    assert "30 days" in run("collections", "list").stdout
    assert [row["name"] for row in rows(run("collections", "list", "--json"))] == ["default", "birds"]
    assert run("collections", "create", "birds").exit_code == 5

    assert run("collections", "delete", "birds").exit_code == 2
    assert "birds" in server.collections.kept
    assert "3 exemplars" in run("collections", "delete", "birds", "--yes").stderr
    assert run("collections", "show", "birds").exit_code == 4


@pytest.mark.parametrize(
    ("text", "retention"),
    [
        ("keep", Retention()),
        ("none", Retention("none")),
        ("7", Retention("days", 7)),
        ("7d", Retention("days", 7)),
    ],
)
def test_retention_is_a_word_or_a_number_of_days(text: str, retention: Retention) -> None:
    assert parsed_retention(text) == retention


@pytest.mark.parametrize("text", ["0", "-1", "for ever", ""])
def test_any_other_retention_is_a_usage_error(run: Run, text: str) -> None:
    assert run("collections", "create", "birds", "--retention", text).exit_code == 2


def test_a_hierarchy_comes_from_a_file_and_goes(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "birds.csv"
    file.write_text("label,parent\ngoldfinch, finch\nfinch,\n")

    assert (
        run("collections", "create", "birds", "--hierarchy", str(file), "--level-threshold", "0.6").exit_code
        == 0
    )
    (kept,) = rows(run("collections", "show", "birds", "--json"))
    assert (kept["hierarchy"], kept["level_threshold"]) == ({"goldfinch": "finch", "finch": ""}, 0.6)

    run("collections", "update", "birds", "--description", "of the garden")
    assert rows(run("collections", "show", "birds", "--json"))[0]["hierarchy"] == kept["hierarchy"]
    run("collections", "update", "birds", "--hierarchy", "none")
    assert rows(run("collections", "show", "birds", "--json"))[0]["hierarchy"] == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("label,parent\na,b\na,c\n", "line 3"),
        ("goldfinch,finch\n", "must begin with"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_hierarchy_is_a_usage_error(
    run: Run, tmp_path: Path, content: str | None, said: str
) -> None:
    file = tmp_path / "birds.csv"
    if content is not None:
        file.write_text(content)

    result = run("collections", "create", "birds", "--hierarchy", str(file))

    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_a_collection_is_calibrated_and_says_what_was_chosen(run: Run, server: FakeServer) -> None:
    said = run("collections", "calibrate", "default", "--error-rate", "0.1", "--seed", "3").stderr
    (shown,) = rows(run("collections", "show", "default", "--json"))

    assert "unknown: above 0.625" in said
    assert "from a margin of 0.500; a model is asked about 25.0%" in said
    assert shown["calibration"]["unknown_threshold"] == 0.625
    assert (shown["calibration"]["error_rate"], shown["calibration"]["seed"]) == (0.1, 3)
    assert shown["unknown_threshold"] is None

    server.collections.kept["default"].ClearField("calibration")
    (found,) = rows(run("collections", "calibrate", "default", "--dry-run", "--json"))
    assert (found["trust_threshold"], found["exemplars"]) == (0.5, 40)
    assert not server.collections.kept["default"].HasField("calibration")
    assert run("collections", "calibrate", "nowhere").exit_code == 4
