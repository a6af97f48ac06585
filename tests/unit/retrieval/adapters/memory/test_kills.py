"""A memory that is killed while it writes, merges, takes snapshots or collects opens again, whole."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

IN_MEMORY = Path("/dev/shm")  # noqa: S108  (a kill loses nothing that the system has, so no disk is waited for)


@pytest.mark.parametrize(
    "every",
    [
        61,
        pytest.param(11, marks=[pytest.mark.integration, pytest.mark.timeout(1_200)]),
    ],
)
def test_whatever_it_was_doing_nothing_is_lost_and_nothing_half_written_is_served(every: int) -> None:
    parent = IN_MEMORY if IN_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        found = subprocess.run(
            [sys.executable, "-m", "tests.fakes.killed_memory", folder, str(every)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert found.returncode == 0, found.stderr
    summary = json.loads(found.stdout)

    assert summary["failed"] == [], found.stderr
    assert summary["deaths"] * every > 400
