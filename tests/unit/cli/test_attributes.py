import json
from pathlib import Path

import pytest

from fovea.kernel.v1 import exemplar_pb2
from tests.fakes.gateway_server import FakeServer
from tests.unit.cli.conftest import Run, rows


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """Return a sheet with the descriptions of two classes."""
    return written(tmp_path / "birds.jsonl", {"wren": "Tail up.", "robin": "Red breast."})


def written(path: Path, texts: dict[str, str]) -> Path:
    lines = [
        {"record": "sheet", "schema": 1, "version": 1, "name": "birds", "super_class": "bird"},
        *({"record": "class", "label": label} for label in texts),
        *({"record": "description", "label": label, "text": text} for label, text in texts.items()),
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def kept(server: FakeServer) -> dict[str, str]:
    return {each.label: each.text for each in server.memory.exemplars.values()}


def test_a_sheet_teaches_its_descriptions_as_attribute_exemplars(
    run: Run, server: FakeServer, sheet: Path
) -> None:
    result = run("attributes", "teach", sheet)

    assert result.exit_code == 0
    assert "taught 2" in result.stderr
    assert kept(server) == {"wren": "Tail up.", "robin": "Red breast."}
    for exemplar_id, each in server.memory.exemplars.items():
        assert exemplar_id.startswith("attributes:birds:")
        assert each.kind == exemplar_pb2.EXEMPLAR_KIND_ATTRIBUTE
        assert each.attributes["sheet"].text == "birds"


def test_teaching_again_sends_what_is_other_and_forgets_what_is_gone(
    run: Run, server: FakeServer, sheet: Path
) -> None:
    run("teach", "--name", "tit")
    run("attributes", "teach", sheet)
    server.script.requests["Remember"].clear()
    written(sheet, {"wren": "Tail cocked.", "robin": "Red breast."})

    result = run("attributes", "teach", sheet)
    assert [request.label for request in server.script.requests["Remember"]] == ["wren"]
    assert "taught 1, 1 were known already" in result.stderr
    assert kept(server) == {"wren": "Tail cocked.", "robin": "Red breast.", "tit": "tit"}

    written(sheet, {"robin": "Red breast."})
    result = run("attributes", "teach", sheet, "--json")
    assert rows(result) == []
    assert "1 were known already; 1 description forgotten" in result.stderr
    assert kept(server) == {"robin": "Red breast.", "tit": "tit"}


def test_a_sheet_with_something_wrong_teaches_nothing_and_names_the_line(
    run: Run, server: FakeServer, sheet: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    written(sheet, {"wren": "Unlike a robin.", "robin": "Red breast."})

    result = run("attributes", "teach", sheet)

    assert result.exit_code == 2
    assert f"{sheet}:4: the description names a class: 'robin' is 'robin'" in capfd.readouterr().err
    assert kept(server) == {}


def test_a_sheet_can_begin_with_what_the_collection_was_taught(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run("teach", "--name", "wren", "--name", "robin")

    result = run("attributes", "begin", tmp_path / "new.jsonl", "--taught", "--super-class", "bird")

    assert result.exit_code == 0
    assert "2 written" in capfd.readouterr().err
    head, *classes = map(json.loads, (tmp_path / "new.jsonl").read_text().splitlines())
    assert (head["name"], head["super_class"]) == ("new", "bird")
    assert sorted(each["label"] for each in classes) == ["robin", "wren"]
    assert run("attributes", "begin", tmp_path / "new.jsonl", "--taught", "--labels", "x").exit_code == 2


def test_what_stands_in_a_sheet_is_shown_in_three_forms(run: Run, sheet: Path) -> None:
    assert "Tail up." in run("attributes", "show", sheet).stdout
    assert [row["label"] for row in rows(run("attributes", "show", sheet, "--json"))] == ["wren", "robin"]
    head, line = run("attributes", "show", sheet, "--csv", "--label", "wren").stdout.splitlines()
    assert head == "label,image,attribute,text,source,edited"
    assert line == "wren,,,Tail up.,people,True"


def test_no_file_and_no_model_are_told(run: Run, sheet: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("attributes", "check", sheet.with_name("none.jsonl")).exit_code == 2
    assert "none.jsonl: No such file or directory" in capfd.readouterr().err
    assert run("attributes", "extract", sheet).exit_code == 2
    assert "--endpoint and --model" in capfd.readouterr().err
