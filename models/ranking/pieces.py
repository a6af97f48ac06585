"""A prompt: pieces in order, so that what somebody named a class can never become a special token."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Control:
    """A special token of the model, such as `<|im_start|>`."""

    token: str


@dataclass(frozen=True)
class Text:
    """Plain text: it is encoded with special tokens switched off."""

    text: str


@dataclass(frozen=True)
class Image:
    """Where the image's tokens stand."""


Piece: TypeAlias = Control | Text | Image
Prompt: TypeAlias = tuple[Piece, ...]


def joined(pieces: Iterable[Piece]) -> Prompt:
    """Return the prompt with texts that touch made one, empty ones left out: one way to tokenise it."""
    prompt: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Text) and prompt and isinstance(prompt[-1], Text):
            prompt[-1] = Text(prompt[-1].text + piece.text)
        elif piece != Text(""):
            prompt.append(piece)
    return tuple(prompt)


def digest(prompt: Sequence[Piece]) -> str:
    """Return the SHA-256 of kinds, lengths and texts, in hex: equal for equal prompts alone."""
    sha = hashlib.sha256()
    for piece in joined(prompt):
        kind = type(piece).__name__
        text = piece.token if isinstance(piece, Control) else piece.text if isinstance(piece, Text) else ""
        encoded = text.encode("utf-8", "surrogatepass")
        sha.update(f"{kind} {len(encoded)}\n".encode())
        sha.update(encoded)
    return sha.hexdigest()


def as_text(prompt: Sequence[Piece], *, image: str = "<image>") -> str:
    """Return the prompt as one string, for servers that take nothing else; `image` stands for each image."""
    return "".join(
        piece.token if isinstance(piece, Control) else piece.text if isinstance(piece, Text) else image
        for piece in prompt
    )
