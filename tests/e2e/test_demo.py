"""`make demo`, with few questions: it starts Fovea, prints its numbers and writes its report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(300)
def test_the_demonstration_prints_its_numbers_and_writes_its_report(tmp_path: Path) -> None:
    report = tmp_path / "report.html"

    ended = _demonstrate("--most", "4", "--report", str(report))

    assert ended.returncode == 0, ended.stdout
    for words in (
        "One picture a class",
        "Names alone",
        "Picture and name",
        "chance 0.4",
        "AUROC",
        "boxes on sheets",
        "named right, own box",
        "named right, oracle box",
    ):
        assert words in ended.stdout
    assert "data:image/webp;base64," in report.read_text(encoding="utf-8")


def test_a_server_that_cannot_start_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FOVEA_IMAGE_MODEL", "no-such-model")
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # the log stays there

    ended = _demonstrate()

    assert ended.returncode == 1
    assert "there is no model" in ended.stdout
    assert list(tmp_path.glob("fovea-*/log"))


def _demonstrate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.demo", *arguments]
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=280
    )
