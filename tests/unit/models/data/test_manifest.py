from pathlib import Path

import pytest

from models.data import manifest
from models.data.manifest import (
    MANIFEST,
    BadManifest,
    DuplicateId,
    HostilePath,
    LeakedContent,
    MissingPicture,
    WrongDigest,
)
from tests.unit.models.data.sets import row

HEADER = "id,path,label,split,licence,sha256"


def test_what_is_written_is_read_again_with_the_columns_of_the_set(tmp_path: Path) -> None:
    rows = [row(tmp_path, "a"), row(tmp_path, "b", split="test")]

    manifest.write(tmp_path, rows)
    found = manifest.read(tmp_path)

    assert [each.id for each in found.rows] == ["a", "b"]
    assert found.rows[0]["artist"] == "me"
    assert found.rows[0]["colour"] == ""
    assert found.file(found.rows[1]).read_bytes() == b"b"


def test_rows_can_be_chosen(tmp_path: Path) -> None:
    written = manifest.write(tmp_path, [row(tmp_path, "a"), row(tmp_path, "b", split="test")])

    assert [each.id for each in written.where(lambda each: each.split == "test").rows] == ["b"]


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DuplicateId, match="a stands twice"):
        manifest.write(tmp_path, [row(tmp_path, "a"), row(tmp_path, "a")])


def test_one_content_in_two_splits_is_refused_and_both_are_named(tmp_path: Path) -> None:
    seen = row(tmp_path, "seen", b"same")
    asked = row(tmp_path, "asked", b"same", split="test")

    with pytest.raises(LeakedContent, match=r"seen \(split train\) and asked \(split test\)"):
        manifest.write(tmp_path, [seen, row(tmp_path, "other"), asked])
    assert not (tmp_path / MANIFEST).exists()


def test_one_content_twice_in_a_split_is_fine(tmp_path: Path) -> None:
    manifest.write(tmp_path, [row(tmp_path, "a", b"same"), row(tmp_path, "b", b"same")])

    assert len(manifest.read(tmp_path)) == 2


def test_a_leak_between_two_sets_is_found_when_their_rows_are_given_together(tmp_path: Path) -> None:
    trained, asked = row(tmp_path, "a", b"same"), row(tmp_path, "b", b"same", split="evaluation")

    with pytest.raises(LeakedContent):
        manifest.check([trained, asked])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    manifest.write(tmp_path, [row(tmp_path, "gone")])
    (tmp_path / "gone.png").unlink()

    with pytest.raises(MissingPicture, match=r"gone\.png is not there"):
        manifest.read(tmp_path)


def test_a_file_that_was_changed_is_named(tmp_path: Path) -> None:
    manifest.write(tmp_path, [row(tmp_path, "changed")])
    (tmp_path / "changed.png").write_bytes(b"other")

    with pytest.raises(WrongDigest, match=r"changed\.png"):
        manifest.read(tmp_path)


@pytest.mark.parametrize(
    "path", ["../outside.png", "/etc/passwd", "a/../../outside.png", "..\\outside.png", "a\0.png"]
)
def test_a_path_that_leads_out_is_refused_though_the_file_is_there(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (tmp_path / "outside.png").write_bytes(b"x")
    (folder / MANIFEST).write_text(f"{HEADER}\na,{path},cat,train,CC0-1.0,00\n")

    with pytest.raises(HostilePath):
        manifest.read(folder)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (tmp_path / "outside.png").write_bytes(b"x")
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    (folder / MANIFEST).write_text(f"{HEADER}\na,link.png,cat,train,CC0-1.0,00\n")

    with pytest.raises(HostilePath):
        manifest.read(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,path,label\na,b,c\n", "no column licence, sha256, split"),
        (f"{HEADER}\na,a.png,cat,train,CC0-1.0\n", "line 2"),
        (f"{HEADER}\na,a.png,cat,train,CC0-1.0,00,more\n", "line 2"),
        (f"{HEADER}\na,a.png,,train,CC0-1.0,00\n", "line 2"),
        (f'{HEADER}\na,"a.png,cat,train,CC0-1.0,00\n', "no CSV"),
        ("", "no column"),
    ],
)
def test_a_manifest_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / MANIFEST).write_text(text)

    with pytest.raises(BadManifest, match=said):
        manifest.read(tmp_path)


def test_a_manifest_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(b"\xff\xfe\x00")

    with pytest.raises(BadManifest, match="no CSV in UTF-8"):
        manifest.read(tmp_path)


def test_a_folder_without_manifest_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match="is not there"):
        manifest.read(tmp_path)
