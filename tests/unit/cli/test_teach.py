import os
from pathlib import Path

import pytest

from tests.fakes.gateway_server import FakeServer
from tests.fakes.script import Trouble
from tests.unit.cli.conftest import Run, rows


def taught(server: FakeServer) -> list[tuple[str, str]]:
    return [
        (request.label, (request.image or request.name.encode() or request.attribute.encode()).decode())
        for request in server.script.requests["Remember"]
    ]


def test_sub_folders_are_labels_and_the_order_is_fixed(run: Run, server: FakeServer, birds: Path) -> None:
    result = run("teach", birds)

    assert taught(server) == [
        ("goldfinch", "bad picture"),
        ("goldfinch", "goldfinch a"),
        ("wren", "wren a"),
        ("wren", "wren b"),
    ]
    assert result.exit_code == 1
    assert "taught 3, 1 failed" in result.stderr
    assert f"{birds}/goldfinch/bad.jpg: not a picture (IMAGE_UNREADABLE, field image)" in result.stderr
    assert "left out 1 file not" in result.stderr
    assert result.stdout == ""


def test_teaching_again_sends_only_what_is_new(run: Run, server: FakeServer, birds: Path) -> None:
    run("teach", birds)
    (birds / "wren" / "3.png").write_text("wren c")
    (birds / "goldfinch" / "bad.jpg").unlink()
    server.script.requests["Remember"].clear()

    result = run("teach", birds)

    assert taught(server) == [("wren", "wren c")]
    assert result.exit_code == 0
    assert "taught 1, 3 were known already" in result.stderr


def test_the_same_picture_may_show_another_label(run: Run, server: FakeServer, birds: Path) -> None:
    run("teach", birds / "wren" / "1.png", "--label", "wren")
    run("teach", birds / "wren" / "1.png", "--label", "bird")

    assert taught(server) == [("wren", "wren a"), ("bird", "wren a")]


def test_again_sends_everything_but_keeps_it_once(run: Run, server: FakeServer) -> None:
    run("teach", "--name", "wren")
    run("teach", "--name", "wren", "--again")

    assert len(taught(server)) == 2
    assert len(server.memory.exemplars) == 1


def test_names_and_attributes_need_no_picture(run: Run, server: FakeServer) -> None:
    run("teach", "--name", "wren", "--name", "goldfinch")
    result = run("teach", "--label", "wren", "--attribute", "cocked tail", "--json")

    assert taught(server) == [("wren", "wren"), ("goldfinch", "goldfinch"), ("wren", "cocked tail")]
    (row,) = rows(result)
    assert (row["source"], row["label"], row["failure"]) == ("cocked tail", "wren", None)
    assert row["exemplar_id"] in server.memory.exemplars


def test_a_table_brings_labels_attributes_and_boxes(run: Run, server: FakeServer, birds: Path) -> None:
    (birds.parent / "birds.csv").write_text(
        "path,label,continent,length_cm,adult,ring,box\n"
        'birds/wren/1.png,wren,Europe,9.5,true,007,"1,2,3,4"\n'
        "birds/wren/2.png,wren,,10,FALSE,,\n"
    )

    assert run("teach", birds.parent / "birds.csv").exit_code == 0

    first, second = server.script.requests["Remember"]
    kinds = {name: value.WhichOneof("kind") for name, value in first.attributes.items()}
    assert kinds == {"continent": "text", "length_cm": "number", "adult": "flag", "ring": "text"}
    assert first.shape.box.bottom == 4
    assert set(second.attributes) == {"length_cm", "adult"}
    assert "taught 0, 2 were known already" in run("teach", birds.parent / "birds.csv").stderr


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_of_names_teaches_classes_without_pictures(
    run: Run, server: FakeServer, tmp_path: Path, delimiter: str
) -> None:
    lines = ["\ufeffname,label,continent", "European goldfinch,goldfinch,Europe", "wren,,Asia"]
    (tmp_path / "names.csv").write_text("\r\n".join(line.replace(",", delimiter) for line in lines))

    assert run("teach", tmp_path / "names.csv").exit_code == 0

    assert taught(server) == [("goldfinch", "European goldfinch"), ("wren", "wren")]


def test_a_row_whose_picture_is_missing_fails_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,label\nnothing.png,wren\n,robin\n")

    result = run("teach", tmp_path / "t.csv")

    assert result.exit_code == 1
    assert f"{tmp_path}/t.csv:2: {tmp_path}/nothing.png does not exist (FILE_NOT_FOUND" in result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nothing"], "does not exist"),
        ([], "nothing to teach"),
        (["{}/wren"], "no sub-folders"),
        (["{}/wren/1.png"], "--label"),
        (["--attribute", "red"], "--label"),
        (["{}/bad.csv"], "path,label"),
        (["{}/box.csv"], "box.csv:2"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    run: Run, server: FakeServer, birds: Path, args: list[str], message: str
) -> None:
    (birds / "bad.csv").write_text("a,b\n1,2\n")
    (birds / "box.csv").write_text("path,label,box\nx.png,wren,1 2 3\n")

    result = run("teach", *[arg.format(birds) for arg in args])

    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert server.script.calls["Remember"] == 0


def test_teaching_goes_on_when_the_connection_breaks(run: Run, server: FakeServer, birds: Path) -> None:
    (birds / "goldfinch" / "bad.jpg").unlink()
    server.script.plan("Remember", Trouble(after_answers=1))

    assert run("teach", birds).exit_code == 0
    assert len(server.memory.exemplars) == 3


def test_a_file_name_that_is_no_unicode_fails_alone(run: Run, birds: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(birds) + b"/\xff\xfe"))
    folder.mkdir()
    (folder / "1.png").write_text("x")

    result = run("teach", birds)

    assert result.exit_code == 1
    assert "taught 3, 2 failed" in result.stderr
    assert r"\udcff" in result.stderr
