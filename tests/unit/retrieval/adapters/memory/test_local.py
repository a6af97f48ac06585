from __future__ import annotations

from pathlib import Path

import pytest

from services.kernel.errors import Unavailable
from services.retrieval.adapters.memory.local import LocalMemory
from tests.fakes.segments import catalogue, write_segment


def segment(local: LocalMemory, text: str) -> str:
    return write_segment(local.segments, {"data": text.encode()})


def test_segments_that_the_newest_catalogue_does_not_name_go(tmp_path: Path) -> None:
    local = LocalMemory(tmp_path)
    old, new = segment(local, "old"), segment(local, "new")

    local.keep(catalogue(new), before=local.names())

    assert local.names() == {new}
    assert local.current == local.catalogue.read() == catalogue(new)
    assert old != new


def test_a_segment_that_came_after_the_catalogues_moment_stays(tmp_path: Path) -> None:
    local = LocalMemory(tmp_path)
    old = segment(local, "old")
    before = local.names()
    later = segment(local, "later")

    local.keep(catalogue(), before=before)

    assert local.names() == {later}
    assert old not in local.names()


def test_a_segment_that_somebody_reads_stays_until_they_have_read_it(tmp_path: Path) -> None:
    local = LocalMemory(tmp_path)
    old, new = segment(local, "old"), segment(local, "new")
    local.keep(catalogue(old, new), before=local.names())

    with local.pinned() as pinned:
        assert pinned == catalogue(old, new)
        local.keep(catalogue(new), before=local.names())
        assert local.names() == {old, new}
    local.keep(catalogue(new), before=local.names())

    assert local.names() == {new}


def test_a_start_leaves_nothing_but_what_it_begins_with(tmp_path: Path) -> None:
    local = LocalMemory(tmp_path)
    mine, other = segment(local, "mine"), segment(local, "other")
    (local.segments / ".half-written").mkdir()
    (local.segments / ".a file").write_text("x")

    local.adopt(catalogue(mine))
    assert local.names() == {mine}
    local.adopt(None)
    assert local.names() == set()
    assert other


def test_nothing_goes_when_the_catalogue_cannot_be_written(tmp_path: Path) -> None:
    local = LocalMemory(tmp_path)
    old, new = segment(local, "old"), segment(local, "new")
    local.keep(catalogue(old), before=())
    (tmp_path / "catalogue.json.new").mkdir()

    with pytest.raises(Unavailable):
        local.keep(catalogue(new), before=local.names())

    assert local.names() == {old, new}
    assert local.current == catalogue(old)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("a file")

    with pytest.raises(Unavailable):
        LocalMemory(tmp_path / "memory")
