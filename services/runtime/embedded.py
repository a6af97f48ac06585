"""The adapters that need no server, over one data folder: what a laptop, a test and allinone run on.

data_folder/version.json, lock     which release may use it, and that one process does
data_folder/events.sqlite          the event log
data_folder/store/                 the objects, unless they have a folder of their own
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from services.runtime.data_folder import DataFolder
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.object_store.opening import open_store
from services.runtime.object_store.ports import ObjectStore
from services.runtime.settings import ProcessSettings
from services.runtime.topics import TOPICS


@dataclass(frozen=True)
class Embedded:
    """An event log inside this process, and an object store: inside as well, or the one that it is told."""

    log: SqliteLog
    store: ObjectStore


@contextmanager
def open_embedded(settings: ProcessSettings) -> Iterator[Embedded]:
    """Open both, and close them at the end.

    Raises:
        Conflict: Another process uses the data folder.
        Unsupported: Another release wrote it.
        Corrupt: It is damaged.
        Unavailable: It cannot be used.
    """
    with ExitStack() as stack:
        data = stack.enter_context(DataFolder(settings.data_folder))
        objects = settings.object_folder or data.folder("store")
        store = stack.enter_context(open_store(settings, objects))
        log = stack.enter_context(closing(SqliteLog(data.path / "events.sqlite", TOPICS.settings())))
        yield Embedded(log, store)
