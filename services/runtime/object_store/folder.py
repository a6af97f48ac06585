"""An object store in a folder, for any number of threads and processes of one machine.

    root/objects/default/recognitions/r1=      the object `default/recognitions/r1`
    root/incoming/<process>/                   what that process is writing; it holds a lock on `lock` there

A file's name ends with `=`, a folder's does not, so `a` and `a/b` are both free to be objects, and nothing
that is being written is ever among the objects.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from services.kernel.errors import NotFound, Unavailable
from services.runtime.object_store.keys import check_key, check_prefix
from services.runtime.object_store.ports import ObjectEntry

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FILE = "="
_FOLDER = "+"  # added to a folder's name only where it would look like a marked one


class FolderStore:
    """Stores each object as one file: written aside, flushed to disk, then moved into place.

    Opening it removes what processes that no longer live left half-written. Close it to remove the
    process's own working folder.
    """

    def __init__(self, path: Path) -> None:
        self._objects = path / "objects"
        self._root = path
        with _translated("be opened"):
            self._objects.mkdir(parents=True, exist_ok=True)
            (path / "incoming").mkdir(exist_ok=True)
            self._incoming, self._lock = _enter(path / "incoming")

    def put(self, key: str, data: bytes) -> None:
        """Store the object under the key, in place of what was there."""
        target = self._file(key)
        with _translated("store"), self._written(data) as aside:
            self._make_folder(target.parent)
            aside.replace(target)
            _flush_folder(target.parent)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Store if the key is free; a hard link makes sure that only one caller finds it so."""
        target = self._file(key)
        with _translated("store"):
            if target.exists():  # a look costs less than writing once more what is there
                _flush_folder(target.parent)
                return False
            with self._written(data) as aside:
                self._make_folder(target.parent)
                stored = _link(aside, target)
                _flush_folder(target.parent)  # also when another was first: it may not have got there yet
        return stored

    def get(self, key: str) -> bytes:
        """Return the object's bytes."""
        with _translated("read"):
            try:
                return self._file(key).read_bytes()
            except FileNotFoundError as error:
                raise NotFound(f"there is no object {key}", reason="NO_OBJECT") from error

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield the entries in the order of the keys' bytes; what comes or goes meanwhile may show."""
        check_prefix(prefix)
        folder, _, rest = prefix.rpartition("/")
        start = self._folder(folder) if folder else self._objects
        return _walk(start, f"{folder}/" if folder else "", rest)

    def delete(self, key: str) -> None:
        """Remove the object, durably."""
        target = self._file(key)
        with _translated("delete"), suppress(FileNotFoundError):
            target.unlink()
            _flush_folder(target.parent)

    def close(self) -> None:
        """Remove this process's working folder."""
        with suppress(OSError):
            os.close(self._lock)
        shutil.rmtree(self._incoming, ignore_errors=True)

    def _folder(self, key: str) -> Path:
        return self._objects.joinpath(*(_folder_name(part) for part in key.split("/")))

    def _file(self, key: str) -> Path:
        check_key(key)
        folder, _, name = key.rpartition("/")
        return (self._folder(folder) if folder else self._objects) / (name + _FILE)

    @contextmanager
    def _written(self, data: bytes) -> Iterator[Path]:
        """Give a file outside the objects that has the data on disk; it is gone afterwards."""
        descriptor, name = tempfile.mkstemp(dir=self._incoming)
        aside = Path(name)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123  (a descriptor has no path)
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            yield aside
        finally:
            aside.unlink(missing_ok=True)

    def _make_folder(self, folder: Path) -> None:
        """Create a folder and those above it, each durably."""
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            _flush_folder(folder.parent)


def _link(source: Path, target: Path) -> bool:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        return False
    return True


def _folder_name(part: str) -> str:
    return part + _FOLDER if part.endswith((_FILE, _FOLDER)) else part


def _walk(folder: Path, above: str, start: str) -> Iterator[ObjectEntry]:
    """Yield what lies in a folder and begins with `start`, as keys that begin with `above`.

    A folder takes its place in the order with its slash: `a-b` comes before `a/b`.
    """
    for name, path in _scan(folder):
        key = above + name.decode()
        if not name.startswith(start.encode()):
            continue
        if key.endswith("/"):
            yield from _walk(path, key, "")
        elif entry := _entry(key, path):
            yield entry


def _scan(folder: Path) -> list[tuple[bytes, Path]]:
    """Return what a folder holds, in order; nothing if there is no such folder."""
    with _translated("list"):
        try:
            with os.scandir(folder) as entries:
                return sorted(_named(entry) for entry in entries)
        except FileNotFoundError:
            return []


def _entry(key: str, path: Path) -> ObjectEntry | None:
    with _translated("list"), suppress(FileNotFoundError):  # deleted meanwhile
        state = path.stat()
        return ObjectEntry(key, state.st_size, state.st_mtime)
    return None


def _named(entry: os.DirEntry[str]) -> tuple[bytes, Path]:
    """Return the part of the key that a file or folder stands for, a folder's with its slash."""
    name = os.fsencode(entry.name)
    if name.endswith(_FILE.encode()):
        return name[:-1], Path(entry.path)
    return name.removesuffix(_FOLDER.encode()) + b"/", Path(entry.path)


def _enter(incoming: Path) -> tuple[Path, int]:
    """Make a locked working folder for this process, and remove those whose processes are gone.

    One process at a time, so that nobody's folder is seen between being made and being locked.
    """
    door = os.open(incoming / "door", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(door, fcntl.LOCK_EX)
        for folder in incoming.iterdir():
            if folder.is_dir():
                _remove_if_left(folder)
        own = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=incoming))
        lock = os.open(own / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return own, lock
    finally:
        os.close(door)


def _remove_if_left(folder: Path) -> None:
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # its process lives
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _flush_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated(action: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = "STORE_FULL" if error.errno in _NO_ROOM else ""
        raise Unavailable(f"the object store could not {action}: {error}", reason=reason) from error
