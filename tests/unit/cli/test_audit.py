from pathlib import Path

from fovea.cli.exits import ExitCode
from tests.unit.cli.conftest import Run, rows


def test_an_audit_shows_what_to_look_at_and_ends_with_the_whole(run: Run, birds: Path) -> None:
    run("teach", birds)
    shown = run("memory", "audit")

    assert "suspect label" in shown.stdout
    assert "0.750" in shown.stdout
    assert "75% first, 100% in five (n = 4)" in shown.stderr


def test_findings_are_lines_of_json_for_programs(run: Run, birds: Path) -> None:
    run("teach", birds)
    found = rows(run("memory", "audit", "--json"))

    assert len(found) == 2
    assert found[0]["kind"] == "suspect_label"
    assert found[0]["other"]["label"] == found[0]["suggested_label"]


def test_labels_are_listed_with_what_they_are_taken_for(run: Run) -> None:
    shown = run("memory", "audit", "--labels", "--csv").stdout.splitlines()

    assert shown[0].startswith("label,images,names")
    assert shown[1] == "wren,1,0,0,4,1,2,goldfinch 2"


def test_a_threshold_out_of_range_is_refused_before_anything_is_asked(run: Run) -> None:
    assert run("memory", "audit", "--duplicate", "2").exit_code == ExitCode.USAGE
