"""What the folder store promises beyond the contract: kills, several processes, errors of the disk."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from services.kernel.errors import Unavailable
from services.runtime.object_store.folder import FolderStore
from tests.fakes.small_disk import files_of_at_most
from tests.unit.runtime.object_store import put_until_killed as child


def start_child(folder: Path, life: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", child.__name__, str(folder), str(life)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_after_a_kill_every_object_is_whole_and_nothing_half_written_is_left(tmp_path: Path) -> None:
    promised = []
    for life in range(5):
        with start_child(tmp_path, life) as process:
            assert process.stdout is not None
            promised += [process.stdout.readline().decode() for _ in range(3 + life)]
            process.kill()
            promised += process.stdout.read().decode().splitlines(keepends=True)

    with closing(FolderStore(tmp_path)) as store:
        found = [entry.key for entry in store.list("")]
        assert {line.strip() for line in promised if line.endswith("\n")} <= set(found)
        assert all(store.get(key) == child.content(key) for key in found)
        assert len(files(tmp_path / "incoming")) == 2  # the door, and this process's own lock


def test_a_process_that_lives_keeps_what_it_is_writing(tmp_path: Path) -> None:
    with start_child(tmp_path, 0) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(10):
            FolderStore(tmp_path).close()
        later = process.stdout.readline()
        process.kill()

    assert later


def test_closing_leaves_only_objects(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a", b"")
    store.close()

    assert {path.name for path in files(tmp_path)} == {"door", "a="}
    with pytest.raises(Unavailable):
        store.put("b", b"")


def test_who_began_to_read_before_a_replacement_reads_the_old_object_to_its_end(tmp_path: Path) -> None:
    with closing(FolderStore(tmp_path)) as store:
        store.put("a", b"old" * 1000)
        with (tmp_path / "objects" / "a=").open("rb", buffering=0) as reader:
            store.put("a", b"new" * 1000)
            assert reader.read() == b"old" * 1000


def test_two_stores_on_one_folder_see_each_other(tmp_path: Path) -> None:
    with closing(FolderStore(tmp_path)) as first, closing(FolderStore(tmp_path)) as second:
        assert first.put_if_absent("a", b"first")
        assert not second.put_if_absent("a", b"second")
        assert second.get("a") == b"first"


def test_a_disk_that_fails_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="could not be opened"):
        FolderStore(tmp_path / "file")

    store = FolderStore(tmp_path / "store")
    (tmp_path / "store" / "objects" / "a=").mkdir()
    with pytest.raises(Unavailable, match="could not read"):
        store.get("a")
    store.close()


def test_a_disk_without_room_says_so_keeps_what_it_has_and_is_used_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a", b"before")

    with files_of_at_most(1_000):
        for put in (store.put, store.put_if_absent):
            with pytest.raises(Unavailable) as caught:
                put("b", bytes(2_000))
            assert caught.value.reason == "STORE_FULL"
        assert store.get("a") == b"before"

    store.put("b", bytes(2_000))
    assert [entry.key for entry in store.list("")] == ["a", "b"]
    assert sum(path.is_file() for path in (tmp_path / "incoming").rglob("*")) == 2  # door and lock
    store.close()
