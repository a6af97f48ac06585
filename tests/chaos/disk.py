"""The disk of an embedded platform full, or refusing every write."""

from __future__ import annotations

import errno
import io
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import grpc
import pytest

from fovea.kernel.v1.recognition_pb2 import Recognition
from services.runtime.claim_check import StoredClaims
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.grpc_errors import from_rpc_error
from services.runtime.object_store.folder import FolderStore
from services.runtime.topics import TOPICS
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.outage import Fault, Scale, Scene, figures, heard, picture, suffer
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS
from tests.e2e.processes import Program

_DISK_BYTES: Final = {Size.SHORT: 64 << 20, Size.LONG: 384 << 20}
_MODULE: Final = "services.allinone"
_NEW: Final = 2_000
"""A picture that nobody has handed in."""


@dataclass(frozen=True)
class Harm:
    """What is done to a process, until the end of a block."""

    text: str
    done_to: Callable[[Program], AbstractContextManager[None]]


def run(folder: Path, size: Size) -> list[Figures]:
    """Fill a disk where this machine lets one be mounted; take away the right to write on any machine."""
    scale = Scale.of(size)
    scale = replace(scale, images=10 * scale.images)  # so many are not worked off before the disk is full
    found = [_endured(folder, folder / "data", scale, Harm("every write to a file refused", unwritable))]
    with mounted(folder / "disk", _DISK_BYTES[size]) as disk:
        if disk is not None:
            found.append(_endured(folder, disk / "data", scale, Harm("disk full", lambda _: full(disk))))
            found.append(_started(folder, disk))
    return found


def _endured(folder: Path, data: Path, scale: Scale, harm: Harm) -> Figures:
    """Start a platform with its data in a folder, do it harm again and again, and draw the balance."""
    with Program(_MODULE, folder, {"FOVEA_DATA_FOLDER": str(data)}) as program:
        with Calls(program.target, collection="disk") as calls:
            scene = Scene({"allinone": program}, calls, scale)
            before = calls.recognize(scene.pictures["p0"], recognition_id="before")
            fault = Fault(harm.text, lambda: harm.done_to(program), lambda: _can_be_read(scene, before))
            rounds = suffer(scene, "disk", fault)
            evidence = heard(scene, rounds)
        assert program.stop() == 0, program.log()[-4000:]
    with (
        closing(FolderStore(data / "store")) as store,
        closing(SqliteLog(data / "events.sqlite", TOPICS.settings())) as log,
    ):
        evidence.read(log, "disk", StoredClaims(store))
    return figures(scene, harm.text, rounds, evidence)


def _started(folder: Path, disk: Path) -> Figures:
    """Start the platform when its disk is full: after a clean end, and after a power cut."""
    settings = {"FOVEA_DATA_FOLDER": str(disk / "data")}
    with full(disk):
        refused = Program(_MODULE, folder, settings)
        assert refused.stop_code() != 0
        assert "is its disk full" in refused.log()
    with Program(_MODULE, folder, settings) as program, full(disk):
        program.kill()
    with ExitStack() as stack:
        room = stack.enter_context(ExitStack())
        room.enter_context(full(disk))
        program = stack.enter_context(Program(_MODULE, folder, settings))
        calls = stack.enter_context(Calls(program.target, collection="disk"))
        assert calls.recognition("before").regions
        with pytest.raises(grpc.RpcError) as caught:
            calls.recognize(picture(_NEW))
        told = (caught.value.code(), from_rpc_error(caught.value).reason)
        assert told == (grpc.StatusCode.UNAVAILABLE, "STORE_FULL"), told
        room.close()
        began_s = time.monotonic()
        assert calls.recognize(picture(_NEW)).regions
        return Figures(
            fault="started on a full disk",
            injected=2,
            handed_in=2,
            recovery_s=time.monotonic() - began_s,
            note="After a clean end it does not start on a full disk, and says why; after a power cut it "
            "does, and can be read.",
        )


def _can_be_read(scene: Scene, record: Recognition) -> bool:
    """Whether requests fail, and what is there can be read. Raises grpc.RpcError if it cannot."""
    assert scene.calls.recognition("before") == record
    assert len(scene.calls.labels()) == len(COLOURS)
    return scene.metric("fovea_blob_requests_total", code="Unavailable") > 0


@contextmanager
def unwritable(program: Program) -> Iterator[None]:
    """Let the kernel refuse a process every write to a file, as a broken disk does; it can read."""
    _, most = resource.prlimit(program.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (1, most))
    try:
        yield
    finally:
        resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (most, most))


@contextmanager
def mounted(folder: Path, size_bytes: int) -> Iterator[Path | None]:
    """Give a disk of its own with little room; None where this machine mounts none."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "fovea-test", str(folder)]
    try:
        done = subprocess.run(mount, check=False, capture_output=True)
    except OSError:
        yield None
        return
    if done.returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607  (as above)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Take all room that a disk has left."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            _fill(file)
        yield
    finally:
        filler.unlink(missing_ok=True)


def _fill(file: io.RawIOBase) -> None:
    block = bytes(1 << 20)
    while block:
        try:
            file.write(block)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            block = block[: len(block) // 2]


DISK: Final = Experiment(
    name="disk",
    promise="With a full disk nothing is accepted that cannot be kept, and all that is there can be read.",
    run=run,
)
