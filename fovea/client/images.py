"""Pictures from paths and bytes, checked for what a message can carry at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from fovea.client.errors import InvalidInput
from fovea.client.options import ImageSource

MIB: Final = 1024 * 1024
MOST_MESSAGE_BYTES: Final = 32 * MIB
"""Size of one gRPC message, the server's limit as well."""
MOST_IMAGE_BYTES: Final = MOST_MESSAGE_BYTES - MIB
"""What fits a message beside regions and options. The server's own limit, which is lower, gets its say."""


def read_image(source: ImageSource) -> bytes:
    """Return the encoded bytes of a picture.

    Raises:
        InvalidInput: There is no such file, it cannot be read, or it is too large to send.
    """
    if isinstance(source, bytes):
        _check_size(len(source), "the picture")
        return source
    path = Path(source)
    try:
        if path.is_file():  # what never ends, such as a device, is not read
            _check_size(path.stat().st_size, str(path))
            return path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"cannot read {path}: {error.strerror}", reason="FILE_UNREADABLE", field="image"
        ) from error
    why = "is not a file" if path.exists() else "does not exist"
    raise InvalidInput(f"{path} {why}", reason="FILE_NOT_FOUND", field="image")


def source_name(source: ImageSource | None) -> str:
    """Return the path as text; nothing for bytes."""
    return "" if source is None or isinstance(source, bytes) else os.fspath(source)


def _check_size(size_bytes: int, name: str) -> None:
    if size_bytes > MOST_IMAGE_BYTES:
        raise InvalidInput(
            f"{name} has {size_bytes / MIB:.0f} MiB; a message holds {MOST_IMAGE_BYTES // MIB} MiB",
            reason="IMAGE_TOO_LARGE",
            field="image",
        )
