"""Prompts to tokens: each by itself, or several in one text that is read as a whole.

Source of the joint text: GroundingDINO (Liu et al., arXiv 2303.05499), whose prompts are parted by full stops
and each read without the others, but seen by the picture together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool, Int64
from tokenizers import Tokenizer

from models.text.tokenizer import TokenBatch

_START: Final = "[CLS]"
_END: Final = "[SEP]"
_STOP: Final = "."
_UNKNOWN: Final = "[UNK]"
_PAD: Final = "[PAD]"
SEPARATORS: Final = (_START, _END, _STOP, "?")
"""Tokens that part prompts, so that none can be inside one."""


class UnreadablePromptError(ValueError):
    """A prompt that a detector cannot read.

    Attributes:
        index: Which.
    """

    def __init__(self, index: int, why: str) -> None:
        super().__init__(f"prompt {index} {why}")
        self.index = index


class PromptTooLongError(UnreadablePromptError):
    """A prompt of more tokens than a detector reads.

    Attributes:
        tokens: How many it has.
        limit: How many are possible.
    """

    def __init__(self, index: int, *, tokens: int, limit: int) -> None:
        super().__init__(index, f"has {tokens} tokens; this detector reads at most {limit}")
        self.tokens = tokens
        self.limit = limit


@dataclass(frozen=True, eq=False)
class JointText:
    """Several prompts as one text.

    Attributes:
        prompts: Which they are, in their order.
        tokens: One row.
        spans: Which tokens are a prompt's own.
    """

    prompts: tuple[int, ...]
    tokens: TokenBatch
    spans: Bool[np.ndarray, "prompt token"]


class JointReader:
    """Reads prompts into as few texts as hold them. Safe to use from many threads.

    Args:
        path: Of the `tokenizer.json`.
        max_tokens: Of a text, its separators included; every row is as long.

    Raises:
        ValueError: It has none of the separators.
    """

    def __init__(self, path: Path, *, max_tokens: int) -> None:
        self._packaged = Tokenizer.from_file(str(path))
        self._packaged.no_padding()
        self._packaged.no_truncation()
        self._max_tokens = max_tokens
        names = (*SEPARATORS, _UNKNOWN, _PAD)
        vocabulary = self._packaged.get_vocab()
        missing = [name for name in names if name not in vocabulary]
        if missing:
            raise ValueError(f"{path} has no token {missing[0]}")
        known = {name: vocabulary[name] for name in names}
        self._known = known
        self._parting = {known[name] for name in (*SEPARATORS, _PAD)}

    @property
    def pad_id(self) -> int:
        """What fills a row."""
        return self._known[_PAD]

    def __call__(self, prompts: Sequence[str]) -> list[JointText]:
        """Return the texts, which have every prompt once, in order. Raises as `row`."""
        return self.texts([self.row(index, prompt) for index, prompt in enumerate(prompts)])

    def row(self, index: int, prompt: str) -> list[int]:
        """Return the tokens of a prompt; what would part it in two is left out.

        Args:
            index: What errors call it.
            prompt: Any text.

        Raises:
            PromptTooLongError: It does not fit even alone.
            UnreadablePromptError: Nothing of it can be read.
        """
        encoded = self._packaged.encode(prompt.strip().lower(), add_special_tokens=False).ids
        row = [token for token in encoded if token not in self._parting]
        if all(token == self._known[_UNKNOWN] for token in row):
            raise UnreadablePromptError(index, "has nothing that this detector's tokenizer knows")
        if len(row) > self.longest:
            raise PromptTooLongError(index, tokens=len(row), limit=self.longest)
        return row

    @property
    def longest(self) -> int:
        """The most tokens of one prompt: as many as fit between start, stop and end."""
        return self._max_tokens - 3

    def texts(self, rows: Sequence[Sequence[int]]) -> list[JointText]:
        """Return the texts of prompts' tokens, which have every prompt once, in order."""
        return [self._text(group, rows) for group in self._groups(rows)]

    def _groups(self, rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        group: list[int] = []
        length = 2  # the start and the end
        for index, row in enumerate(rows):
            if group and length + len(row) + 1 > self._max_tokens:
                yield group
                group, length = [], 2
            group.append(index)
            length += len(row) + 1
        if group:
            yield group

    def _text(self, group: Sequence[int], rows: Sequence[Sequence[int]]) -> JointText:
        ids: Int64[np.ndarray, "1 token"] = np.full((1, self._max_tokens), self._known[_PAD], dtype=np.int64)
        spans = np.zeros((len(group), self._max_tokens), dtype=np.bool_)
        ids[0, 0] = self._known[_START]
        place = 1
        for position, index in enumerate(group):
            row = rows[index]
            ids[0, place : place + len(row)] = row
            spans[position, place : place + len(row)] = True
            place += len(row) + 1
            ids[0, place - 1] = self._known[_STOP]
        ids[0, place] = self._known[_END]
        mask = np.zeros_like(ids)
        mask[0, : place + 1] = 1
        return JointText(tuple(group), TokenBatch(ids, mask), spans)


class SeparateReader:
    """Reads each prompt by itself. Safe to use from many threads.

    Args:
        path: Of the `tokenizer.json`.
        max_tokens: Of a prompt; every row is as long.
        pad_id: What fills a row.
    """

    def __init__(self, path: Path, *, max_tokens: int, pad_id: int) -> None:
        self._packaged = Tokenizer.from_file(str(path))
        self._packaged.no_padding()
        self._packaged.no_truncation()
        self._max_tokens = max_tokens
        self._pad_id = pad_id

    def __call__(self, prompts: Sequence[str]) -> TokenBatch:
        """Return a row for each of at least one prompt.

        Raises:
            PromptTooLongError: One does not fit; none is cut.
        """
        rows = [encoding.ids for encoding in self._packaged.encode_batch(list(prompts))]
        ids = np.full((len(rows), self._max_tokens), self._pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for index, row in enumerate(rows):
            if len(row) > self._max_tokens:
                raise PromptTooLongError(index, tokens=len(row), limit=self._max_tokens)
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        return TokenBatch(ids, mask)
