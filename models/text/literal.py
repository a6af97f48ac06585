"""Texts to the token ids of a language model that was imported, taken literally.

Its `tokenizer.json` adds nothing of its own: no blank before a text, no special token around it. What its
publishers' tokenizer adds stands in the prompt instead (models/ranking/chats.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as PackagedTokenizer


class LiteralTokenizer:
    """Reads texts piece by piece. Safe to use from many threads.

    Args:
        packaged: Knows words and special tokens.
    """

    def __init__(self, packaged: PackagedTokenizer) -> None:
        packaged.encode_special_tokens = True  # what looks like one in a text is text
        packaged.no_padding()
        packaged.no_truncation()
        self._packaged = packaged
        self._controls = {token.content: number for number, token in _added(packaged).items()}

    @classmethod
    def from_file(cls, path: Path) -> LiteralTokenizer:
        """Open a `tokenizer.json`. Raises ValueError."""
        return cls.from_text(path.read_text(encoding="utf-8"))

    @classmethod
    def from_text(cls, content: str) -> LiteralTokenizer:
        """Return what the content of such a file describes. Raises ValueError."""
        try:
            return cls(PackagedTokenizer.from_str(content))
        except Exception as error:  # the library raises bare Exceptions
            raise ValueError(f"it is no tokenizer: {str(error)[:200]}") from error

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a text; none of them is special."""
        return tuple(self._packaged.encode(text, add_special_tokens=False).ids)

    def control(self, name: str) -> int:
        """Return a special token. Raises KeyError."""
        return self._controls[name]


def literal(content: str) -> str:
    """Return a `tokenizer.json` without what it adds to texts: blanks in front, special tokens around."""
    said: dict[str, Any] = json.loads(content)
    said["post_processor"] = None
    for name, kept in (("normalizer", "normalizers"), ("pre_tokenizer", "pretokenizers")):
        part = said.get(name)
        if not isinstance(part, dict):
            continue
        steps = part.get(kept, []) if part.get("type") == "Sequence" else [part]
        left = [_plain(step) for step in steps if step.get("type") != "Prepend"]
        said[name] = {"type": "Sequence", kept: left} if left else None
    return json.dumps(said, ensure_ascii=False)


def _plain(step: dict[str, Any]) -> dict[str, Any]:
    if step.get("type") == "Metaspace":
        return {
            **{key: each for key, each in step.items() if key != "add_prefix_space"},
            "prepend_scheme": "never",
        }
    if step.get("type") == "ByteLevel":
        return {**step, "add_prefix_space": False}
    return step


def _added(packaged: PackagedTokenizer) -> dict[int, Any]:
    return dict(packaged.get_added_tokens_decoder())
