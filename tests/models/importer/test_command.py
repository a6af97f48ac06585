"""The command as a user gives it, in processes of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from services.runtime.model_execution.store import ModelStore
from tests.models.importer import checkpoints


def fovea(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fovea", "models", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_checkpoint_becomes_a_model_a_card_and_an_entry_of_triton(tmp_path: Path) -> None:
    folder = checkpoints.dinov2(tmp_path / "tiny")
    to = ("--out", tmp_path / "store", "--triton", tmp_path / "repository")

    ended = fovea("import", folder, "--name", "dino", *to)

    assert ended.returncode == 0, ended.stderr
    assert "from transformers on random inputs" in ended.stdout
    assert "| dino-vision | 0." in ended.stdout
    assert "Warning" not in ended.stderr
    model = ModelStore(tmp_path / "store").open("dino-vision")
    rendered = tmp_path / "repository" / "dino-vision"
    assert (rendered / "1" / "identity").read_text() == model.identity
    assert 'name: "embeddings" data_type: TYPE_FP32 dims: [ 32 ]' in (rendered / "config.pbtxt").read_text()


def test_a_refusal_is_one_line_and_the_exit_code_of_wrong_input(tmp_path: Path) -> None:
    folder = checkpoints.dinov2(tmp_path / "tiny")
    checkpoints.edit(folder / "config.json", model_type="bert")

    ended = fovea("import", folder, "--out", tmp_path / "store")

    assert ended.returncode == 2
    assert "model_type = 'bert'" in ended.stderr
    assert "Traceback" not in ended.stderr
