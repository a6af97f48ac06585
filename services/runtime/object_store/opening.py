"""The object store that a process is told to use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from services.runtime.object_store.folder import FolderStore
from services.runtime.object_store.ports import ObjectStore
from services.runtime.settings import ProcessSettings

if TYPE_CHECKING:
    from services.runtime.object_store.minio import MinioStore


@contextmanager
def open_store(settings: ProcessSettings, folder: Path) -> Iterator[ObjectStore]:
    """Open the S3 that the settings name, or else the folder, and close it at the end.

    A server that is down does not keep a process from starting; whoever asks it hears Unavailable.

    Raises:
        Unavailable: The folder cannot be used.
    """
    with closing(_minio(settings) if settings.s3_endpoint else FolderStore(folder)) as store:
        yield store


def _minio(settings: ProcessSettings) -> MinioStore:
    # Its client takes a third of a second to import: only whoever uses it pays for that.
    from services.runtime.object_store.minio import MinioSettings, MinioStore  # noqa: PLC0415

    return MinioStore(
        MinioSettings(
            endpoint=settings.s3_endpoint,
            bucket=settings.s3_bucket,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key,
            region=settings.s3_region,
            ca_file=settings.s3_ca_file,
            timeout_s=settings.s3_timeout_s,
        )
    )
