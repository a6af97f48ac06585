"""Memory that killed servers shared is freed, and no other."""

from __future__ import annotations

import mmap
from pathlib import Path

from infra.local.triton import free_what_the_dead_shared


def test_what_nobody_uses_any_more_is_removed_and_what_somebody_uses_stays(tmp_path: Path) -> None:
    dead, used, other = (tmp_path / name for name in ("fovea_triton_1", "fovea_triton_2", "psm_3"))
    for region in (dead, used, other):
        region.write_bytes(bytes(mmap.PAGESIZE))

    with used.open("r+b") as file, mmap.mmap(file.fileno(), 0):
        free_what_the_dead_shared(tmp_path)

        assert sorted(each.name for each in tmp_path.iterdir()) == ["fovea_triton_2", "psm_3"]

    free_what_the_dead_shared(tmp_path)

    assert [each.name for each in tmp_path.iterdir()] == ["psm_3"]
