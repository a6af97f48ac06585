"""Texts to the token ids that the text encoder reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int64
from tokenizers import Tokenizer as PackagedTokenizer

MAX_TOKENS = 256
"""What the encoder was made for; longer texts are cut."""
Padding = Literal["longest", "max_tokens"]


@dataclass(frozen=True, eq=False)
class TokenBatch:
    """Tokens of a few texts, padded to the longest, or to what the encoder wants.

    Attributes:
        input_ids: One row a text.
        attention_mask: 1 for a token, 0 for padding.
    """

    input_ids: Int64[np.ndarray, "text token"]
    attention_mask: Int64[np.ndarray, "text token"]

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the encoder's inputs by name."""
        return {"input_ids": self.input_ids, "attention_mask": self.attention_mask}


class Tokenizer:
    """Reads a packaged `tokenizer.json`. Safe to use from many threads.

    Args:
        packaged: Cuts texts that are too long, and pads none.
        width: Tokens of every row; 0: as many as the longest text of the batch has.
        pad_id: What fills a row behind its text.
    """

    def __init__(self, packaged: PackagedTokenizer, *, width: int = 0, pad_id: int = 0) -> None:
        self._packaged = packaged
        self._width = width
        self._pad_id = pad_id

    @classmethod
    def from_file(
        cls, path: Path, *, max_tokens: int = MAX_TOKENS, padding: Padding = "longest", pad_id: int = 0
    ) -> Tokenizer:
        """Open a `tokenizer.json`; its own padding and truncation do not count."""
        packaged = PackagedTokenizer.from_file(str(path))
        packaged.no_padding()
        packaged.enable_truncation(max_tokens)
        return cls(packaged, width=max_tokens if padding == "max_tokens" else 0, pad_id=pad_id)

    def __call__(self, texts: Sequence[str]) -> TokenBatch:
        """Return the tokens of at least one text. Raises ValueError without any."""
        if not texts:
            raise ValueError("there is no text to tokenise")
        rows = [encoding.ids for encoding in self._packaged.encode_batch(list(texts))]
        shape = (len(rows), self._width or max(map(len, rows)))
        input_ids = np.full(shape, self._pad_id, dtype=np.int64)
        attention_mask = np.zeros_like(input_ids)
        for position, row in enumerate(rows):
            input_ids[position, : len(row)] = row
            attention_mask[position, : len(row)] = 1
        return TokenBatch(input_ids, attention_mask)
