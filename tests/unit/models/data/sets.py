"""Tiny data sets, made on the spot."""

from __future__ import annotations

import hashlib
from pathlib import Path

from models.data.manifest import Row


def row(folder: Path, name: str, content: bytes = b"", *, split: str = "train", label: str = "cat") -> Row:
    """Write a file and return its row; without content, its name is what is in it."""
    content = content or name.encode()
    (folder / f"{name}.png").write_bytes(content)
    return Row(
        name, f"{name}.png", label, split, "CC0-1.0", hashlib.sha256(content).hexdigest(), {"artist": "me"}
    )
