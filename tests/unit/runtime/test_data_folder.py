from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from services.kernel.errors import Conflict, Corrupt, Unavailable, Unsupported
from services.runtime.data_folder import DataFolder

HOLDER = """
import sys, time
from pathlib import Path
from services.runtime.data_folder import DataFolder
folder = DataFolder(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def version(folder: Path) -> object:
    return json.loads((folder / "version.json").read_text())["version"]


def test_a_new_folder_is_for_its_user_alone_and_has_the_current_version(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "data"
    with DataFolder(path) as folder:
        inside = folder.folder("objects")

    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert version(path) == 1
    assert inside.is_dir()


def test_it_can_be_opened_again_and_again(tmp_path: Path) -> None:
    for _ in range(3):
        with DataFolder(tmp_path / "data") as folder:
            folder.folder("objects")


def test_two_processes_never_use_it_at_once_and_kill_9_lets_go(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "data"], stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Conflict, match=f"process {holder.pid}") as caught:
            DataFolder(tmp_path / "data")
        holder.send_signal(signal.SIGKILL)
        holder.wait()

    assert caught.value.reason == "DATA_FOLDER_IN_USE"
    DataFolder(tmp_path / "data").close()


def test_somebody_elses_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")

    with pytest.raises(Conflict, match=r"thesis\.tex"):
        DataFolder(tmp_path)

    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    DataFolder(tmp_path / "data", version=3, upgrades={}).close()

    with pytest.raises(Unsupported, match="version 3, written by a newer Fovea"):
        DataFolder(tmp_path / "data", version=2)

    assert version(tmp_path / "data") == 3


def test_an_older_version_is_brought_up_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "data"
    DataFolder(path, version=1).close()
    steps: list[str] = []
    upgrades = {1: lambda _: steps.append("1 to 2"), 2: lambda _: steps.append("2 to 3")}

    DataFolder(path, version=3, upgrades=upgrades).close()

    assert steps == ["1 to 2", "2 to 3"]
    assert version(path) == 3


def test_an_upgrade_that_was_cut_off_goes_on_from_its_step(tmp_path: Path) -> None:
    path = tmp_path / "data"
    DataFolder(path, version=1).close()
    steps: list[str] = []

    def power_cut(_: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        DataFolder(path, version=3, upgrades={1: lambda _: steps.append("1 to 2"), 2: power_cut})
    assert version(path) == 2
    DataFolder(path, version=3, upgrades={2: lambda _: steps.append("2 to 3")}).close()

    assert steps == ["1 to 2", "2 to 3"]


def test_a_version_that_nothing_leads_from_is_refused(tmp_path: Path) -> None:
    DataFolder(tmp_path / "data", version=1).close()

    with pytest.raises(Unsupported, match="cannot upgrade"):
        DataFolder(tmp_path / "data", version=3, upgrades={2: lambda _: None})


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": "one"}', '{"version": 0}'])
def test_a_broken_version_is_refused_and_the_lock_let_go(tmp_path: Path, text: str) -> None:
    (tmp_path / "version.json").write_text(text)

    for _ in range(2):
        with pytest.raises(Corrupt):
            DataFolder(tmp_path)


def test_a_crash_before_the_version_was_written_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    (tmp_path / "version.json.new").write_text('{"vers')

    DataFolder(tmp_path).close()

    assert version(tmp_path) == 1


def test_a_place_that_cannot_be_written_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(Unavailable, match="file/data"):
        DataFolder(tmp_path / "file" / "data")
    assert (tmp_path / "file").is_file()
