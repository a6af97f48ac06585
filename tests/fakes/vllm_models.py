"""Models for a real Triton that have the vLLM backend's inputs and outputs, written into a repository."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from models.ranking.chats import Chat

_SOURCE: Final = Path(__file__).parent / "vllm_backend"


def write_vllm_model(repository: Path, name: str, chat: Chat, behaviour: str = "plain") -> None:
    """Write one model: `plain`, or one that misbehaves as `model.py` says."""
    folder = repository / name / "1"
    folder.mkdir(parents=True)
    shutil.copyfile(_SOURCE / "model.py", folder / "model.py")
    config = (_SOURCE / "config.pbtxt").read_text(encoding="utf-8")
    for mark, value in {"NAME": name, "BEHAVIOUR": behaviour, "PLACEHOLDER": chat.image}.items():
        config = config.replace(f'"{mark}"', f'"{value}"')
    (folder.parent / "config.pbtxt").write_text(config, encoding="utf-8")
