"""The tokenizer of a checkpoint as one `tokenizer.json`, held against transformers' own.

SigLIP takes texts in lower case, without punctuation and with single spaces, which its published tokenizer
does in Python; here it is written into the file (Zhai et al., arXiv 2303.15343; the rule is big_vision's).
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from tokenizers import Regex, normalizers
from tokenizers import Tokenizer as Packaged
from transformers import (
    CLIPTokenizer,
    GemmaTokenizer,
    PreTrainedTokenizerFast,
    SiglipTokenizer,
)

from models.importer.folder import CheckpointFolder
from models.importer.refusal import Refused
from models.text.tokenizer import Tokenizer

FILE: Final = "tokenizer.json"
_CONFIG: Final = "tokenizer_config.json"
_PIECES: Final = "spiece.model"
_FILES: Final = (FILE, _CONFIG, _PIECES, "vocab.json", "merges.txt", "special_tokens_map.json")
TEXTS: Final = (
    "a photo of a goldfinch.",
    "A Photo of TWO Cats, sleeping!",
    "it's 12:45  o'clock — naïve café",
    "日本語 🐧",
    "x",
    "a small yellow bird with black wings " * 40,
)
"""What both tokenizers must agree on: case, punctuation, spaces, other scripts, and a text that is cut."""


@runtime_checkable
class Reads(Protocol):
    """A checkpoint whose texts are read each by itself."""

    @property
    def folder(self) -> CheckpointFolder:
        """Where it lies."""
        ...

    @property
    def family(self) -> Rows:
        """What it is."""
        ...

    @property
    def model(self) -> Any:
        """The model, of transformers."""
        ...


@runtime_checkable
class Rows(Protocol):
    """What of a family its tokens depend on."""

    @property
    def whole_rows(self) -> bool:
        """Whether its texts are padded to the full length, and padding is seen."""
        ...


@dataclass(frozen=True)
class Reading:
    """How texts become the tokens of a checkpoint.

    Attributes:
        content: Of the `tokenizer.json`.
        max_tokens: Longer texts are cut.
        padding: As model.toml says it.
        pad_id: What fills a row.
    """

    content: str
    max_tokens: int
    padding: str
    pad_id: int

    @property
    def words(self) -> str:
        """For people."""
        length = "that" if self.padding == "max_tokens" else "the longest"
        return (
            "models/text/tokenizer.py with the tokenizer beside it: "
            f"at most {self.max_tokens} tokens, padded to {length} with {self.pad_id}."
        )

    def tokenizer(self) -> Tokenizer:
        """Return what serving makes of it."""
        packaged = Packaged.from_str(self.content)
        packaged.no_padding()
        packaged.enable_truncation(self.max_tokens)
        width = self.max_tokens if self.padding == "max_tokens" else 0
        return Tokenizer(packaged, width=width, pad_id=self.pad_id)


def reading_of(checkpoint: Reads, texts: Sequence[str] = TEXTS) -> Reading:
    """Return the tokenizer that gives what transformers' gives.

    Raises:
        Refused: There is none, or they do not agree.
    """
    folder = checkpoint.folder
    for name in _FILES:
        if folder.has(name):
            folder.file(name)  # which looks where it lies
    whole = checkpoint.family.whole_rows
    reference = _reference(folder, whole=whole)
    config = checkpoint.model.config.text_config
    most = config.max_position_embeddings
    wanted = reference(
        list(texts), padding="max_length" if whole else True, truncation=True, max_length=most
    )["input_ids"]
    pad_id = reference.pad_token_id
    for candidate in _candidates(folder, reference, canonical=whole):
        reading = Reading(
            candidate, most, "max_tokens" if whole else "longest", 0 if pad_id is None else pad_id
        )
        if reading.tokenizer()(texts).input_ids.tolist() == wanted:
            _in_vocabulary(folder, reading, config.vocab_size)
            return reading
    raise Refused(f"{folder.path / FILE} does not give the tokens that transformers gives for this folder")


def _reference(folder: CheckpointFolder, *, whole: bool) -> Any:
    """Return transformers' tokenizer; its class is one of those named here, whatever the folder says."""
    kind: Any = CLIPTokenizer
    if whole:
        kind = SiglipTokenizer if folder.has(_PIECES) else PreTrainedTokenizerFast
        if str(folder.json(_CONFIG).get("tokenizer_class", "")).startswith("Gemma"):
            kind = GemmaTokenizer
    if kind is not SiglipTokenizer and not (folder.has(FILE) or folder.has("vocab.json")):
        raise Refused(f"{folder.path} has no {FILE}")
    try:
        return kind.from_pretrained(str(folder.path), local_files_only=True)
    except Exception as error:
        raise Refused(f"{folder.path} has no tokenizer that can be opened: {error}") from error


def _candidates(folder: CheckpointFolder, reference: Any, *, canonical: bool) -> Iterator[str]:
    backend = getattr(reference, "backend_tokenizer", None)
    converted = [backend.to_str()] if backend is not None else []
    if not folder.has(FILE) and not converted:
        raise Refused(f"{folder.path} has {_PIECES} and no {FILE}; save it with a fast tokenizer first")
    found = [folder.file(FILE).read_text(encoding="utf-8")] if folder.has(FILE) else []
    yield from (*found, *converted)
    if canonical:
        yield from map(canonicalised, found)


def canonicalised(content: str) -> str:
    """Return the tokenizer with case, punctuation and spaces taken away before all else."""
    packaged = Packaged.from_str(content)
    marks = Regex("[" + "".join(f"\\{mark}" for mark in string.punctuation) + "]")
    steps = [
        normalizers.Lowercase(),
        normalizers.Replace(marks, ""),
        normalizers.Replace(Regex(r"\s+"), " "),
        normalizers.Strip(),
    ]
    if packaged.normalizer is not None:
        steps.append(packaged.normalizer)
    packaged.normalizer = normalizers.Sequence(steps)
    return packaged.to_str()


def _in_vocabulary(folder: CheckpointFolder, reading: Reading, size: int) -> None:
    highest = max([reading.pad_id, *Packaged.from_str(reading.content).get_vocab().values()])
    if highest >= size:
        raise Refused(f"{folder.path / FILE} has the token {highest}, the model has {size}")
