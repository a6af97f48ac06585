"""Kills a replica's memory before each thing that it does to its disk or to the object store.

`python -m tests.fakes.killed_memory FOLDER EVERY` runs one story in a process of its own, dying before the
first operation, then before the second, and so on (EVERY 1), until the story comes to its end. After each
death it looks whether everything acknowledged is there, on the disk as it was left and on an empty disk
with what snapshots there are, and has the story told to its end. It prints what went wrong, as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from fovea.encoding.v1.events_pb2 import ExemplarEncoded
from services.kernel.errors import Conflict, NotFound
from services.kernel.vocabulary import Embedding
from services.retrieval.adapters.exemplar_records import TOPIC
from services.retrieval.adapters.memory.keeper import Rhythm
from services.retrieval.adapters.memory.snapshot_writer import Schedule
from services.retrieval.codec import read_encoded
from services.retrieval.ports import MemoryView
from services.runtime.event_log.ports import NewRecord, TopicPartition
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.object_store.folder import FolderStore
from services.runtime.topics import TOPICS
from tests.fakes.exemplars import BIRDS, SEA, encoded
from tests.fakes.replica import Replica, forgotten, publish, taught

STEPS: Final = 8
MOST_OPEN_S: Final = 10.0  # far more than it takes; a hang is not "bounded time"
RHYTHM: Final = Rhythm(flush_records=4, flush_every_s=1e6)
SCHEDULE: Final = Schedule(every_s=0.0, keep=1, grace_s=-1.0)
CHANGES: Final = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate"}
WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def records(step: int) -> list[NewRecord]:
    """Return what is taught in one step: some new, some in place of others, some forgotten."""
    rng = np.random.default_rng(step)
    new = [_exemplar(rng, f"x{5 * step + number}", f"new {step}") for number in range(5)]
    again = [_exemplar(rng, f"x{number}", f"again {step}") for number in range(step)]
    gone = [forgotten(f"x{5 * step - 1}")] if step else []
    return [*(taught(each) for each in (*new, *again)), *gone, taught(_exemplar(rng, "cod", f"{step}"), SEA)]


def _exemplar(rng: np.random.Generator, name: str, label: str) -> Any:
    vector = rng.standard_normal(16).astype(np.float32)
    unit = vector / np.float32(np.linalg.norm(vector))
    return encoded(name, label, [Embedding(unit, "lite0@0123456789ab", "visual")])


def tell(folder: Path, *, first: int) -> None:
    """Tell the story from a step on: teach, write to disk, merge, take and collect snapshots, end."""
    with _opened(folder) as (log, store):
        replica = Replica(folder / "memory", log, store, rhythm=RHYTHM)
        replica.keeper._follower = replica.keeper._open()  # in this thread, so that its steps are in order
        replica.keeper._opened.set()
        replica.keeper._looked_at = -1e9
        writer = replica.writer(SCHEDULE)
        for step in range(first, STEPS):
            replica.wait(publish(log, *records(step)))
            with (folder / "acknowledged").open("w") as file:
                file.write(str(step))
            for _ in range(4):
                replica.keeper._looked_at = -1e9
                replica.keeper._turn()
            writer.turn()
            _keep_version(replica, step)
        replica.keeper.close()


def _keep_version(replica: Replica, step: int) -> None:
    """Keep what there is, under the step's name, and no more what the step before kept."""
    assert replica.shelf is not None
    versions = replica.shelf.versions
    with suppress(Conflict):  # it was kept before the last death
        versions.keep(BIRDS, name=f"step-{step}", description="")
    with suppress(NotFound):
        versions.delete(BIRDS, f"step-{step - 2}")


def truth(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Return what the log says: of each exemplar its label and vector."""
    found: dict[str, tuple[str, bytes]] = {}
    with closing(SqliteLog(folder / "events.db", TOPICS.settings())) as log:
        ends = {TopicPartition(TOPIC, partition): end for partition, end in log.end_offsets(TOPIC).items()}
        with log.tail([TOPIC], start="beginning") as tail:
            while any(tail.position()[source] < end for source, end in ends.items()):
                for record in tail.poll(0.0, most=1_000):
                    found.pop(record.key, None)
                    message = TOPICS[TOPIC].decode(record)
                    if message is not None:
                        found[record.key] = _seen(read_encoded(cast("ExemplarEncoded", message)))
    return found


def check(folder: Path) -> None:
    """Raise AssertionError unless the memory opens soon, with all that the log has, from disk or snapshot."""
    _tear(folder)
    expected = truth(folder)
    last = _acknowledged(folder)
    assert all(record.key in expected for record in records(max(last, 0)) if record.value) or last < 0
    began = time.monotonic()
    assert _memory(folder, folder / "memory", alone=True) == expected, "on the disk as it was left"
    assert time.monotonic() - began < MOST_OPEN_S, "it took too long to open"
    empty = folder / "another"
    shutil.rmtree(empty, ignore_errors=True)
    assert _memory(folder, empty) == expected, "on an empty disk"
    _check_versions(folder, empty)
    tell(folder, first=last + 1)
    assert _memory(folder, folder / "memory") == truth(folder), "after the rest of the story"


def _check_versions(folder: Path, memory: Path) -> None:
    """Raise AssertionError unless each version that is listed is whole, and those that must be are."""
    with _opened(folder) as (log, store):
        replica = Replica(memory, log, store)
        assert replica.shelf is not None
        versions = replica.shelf.versions
        kept = {info.name: dict(_labels(versions.view(BIRDS, info.name))) for info in versions.list(BIRDS)}
    steps = {int(name.removeprefix("step-")) for name in kept}
    assert all(kept[f"step-{step}"] == _taught_until(step) for step in steps), f"of the versions {steps}"
    last = _acknowledged(folder)
    assert last < 1 or last - 1 in steps, "what the step before kept"


def _labels(view: MemoryView) -> Iterator[tuple[str, str]]:
    return ((each.exemplar_id, each.label) for each in view.exemplars())


def _taught_until(step: int) -> dict[str, str]:
    """Return the labels of what is taught up to a step."""
    found: dict[str, str] = {}
    for record in (record for number in range(step + 1) for record in records(number)):
        if record.key.startswith(f"{BIRDS}/"):
            name = record.key.removeprefix(f"{BIRDS}/")
            found.pop(name, None)
            if record.value is not None:
                found[name] = ExemplarEncoded.FromString(record.value).exemplar.exemplar.label
    return found


def _acknowledged(folder: Path) -> int:
    """Return the last step of which all was acknowledged; -1 before the first."""
    file = folder / "acknowledged"
    return int((file.read_text() if file.exists() else "") or -1)


def _memory(folder: Path, memory: Path, *, alone: bool = False) -> dict[str, tuple[str, bytes]]:
    """Return what a replica serves, which refuses nothing that it finds; alone, it asks no object store."""
    with _opened(folder) as (log, store), Replica(memory, log, None if alone else store) as replica:
        found = {
            f"{collection}/{each.exemplar.exemplar_id}": _seen(each)
            for collection in (BIRDS, SEA)
            for each in replica.index.view(collection).encoded()
        }
        refused = [
            sample.labels["reason"]
            for metric in replica.metrics.memory.refused.collect()
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.value
        ]
        assert not refused, f"a kill has left something that is refused: {refused}"
        return found


def _seen(each: Any) -> tuple[str, bytes]:
    return each.exemplar.label, b"".join(found.vector.tobytes() for found in each.embeddings)


def _tear(folder: Path) -> None:
    """Cut off what was being written: whoever dies between two writes has written any part of it."""
    for path in (folder / "memory").rglob("*"):
        aside = any(part.startswith(".") for part in path.relative_to(folder).parts) or path.suffix == ".new"
        if aside and path.is_file():
            os.truncate(path, path.stat().st_size // 2)


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[SqliteLog, FolderStore]]:
    with (
        closing(SqliteLog(folder / "events.db", TOPICS.settings())) as log,
        closing(FolderStore(folder / "objects")) as store,
    ):
        yield log, store


def _story(number: int, folder: Path) -> None:
    _die_before(number, folder)
    tell(folder, first=0)


def _die_before(number: int, folder: Path) -> None:
    """Have this process die before its so-manieth change to the memory's files or to the objects."""
    left = iter(range(number - 1, -1, -1))
    watched = (str(folder / "memory"), str(folder / "objects"))

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event not in CHANGES or not str(args[0]).startswith(watched):
            return
        if event == "open" and not (isinstance(args[2], int) and args[2] & WRITING):
            return
        if next(left) == 0:
            os._exit(9)

    sys.addaudithook(hook)


def _in_child(action: Callable[[], None]) -> int:
    """Run it in a process of its own, and return its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        action()
        status = 0
    except BaseException:  # noqa: BLE001  (printed; the exit status tells)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def main(root: Path, every: int) -> Mapping[str, Any]:
    """Kill at every so-manieth operation, and return what was found."""
    failed: list[int] = []
    deaths, number = 0, 1
    while True:
        folder = root / str(number)
        folder.mkdir()
        status = _in_child(partial(_story, number, folder))
        if status not in {0, 9} or _in_child(partial(check, folder)):
            failed.append(number)
        else:
            shutil.rmtree(folder)
        if status == 0:
            return {"deaths": deaths, "failed": failed}
        deaths += 1
        number += every


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))  # noqa: T201
