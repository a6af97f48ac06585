"""Where tests that flush much keep their folders."""

from __future__ import annotations

from pathlib import Path

IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  (where a flush costs nothing)
