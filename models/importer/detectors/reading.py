"""The tokenizer of a detector that reads all prompts in one text, held against transformers' own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import numpy as np
from tokenizers import Tokenizer
from transformers import BertTokenizer

from models.importer.detectors.families import DetectorCheckpoint
from models.importer.refusal import Refused
from models.importer.tokens import FILE
from models.segmentation.imported.texts import SEPARATORS, JointReader

_IDS: Final = (101, 102, 1012, 1029)
"""Of the separators, which transformers' GroundingDINO has written into its code."""
_FILES: Final = (FILE, "tokenizer_config.json", "vocab.txt", "special_tokens_map.json", "added_tokens.json")
PROMPTS: Final = ("a goldfinch", "Two Cats, sleeping", "the red car on the left", "naïve café", "x")
"""What both tokenizers must agree on: case, punctuation inside a prompt, accents."""


def joint_tokenizer(checkpoint: DetectorCheckpoint, max_tokens: int) -> tuple[str, JointReader]:
    """Return the content of a `tokenizer.json`, and what reads prompts with it as transformers does.

    Raises:
        Refused: There is none, it reads otherwise, or it parts prompts by other tokens than the model.
    """
    folder = checkpoint.folder
    for name in _FILES:
        if folder.has(name):
            folder.file(name)  # which looks where it lies
    if not folder.has(FILE) and not folder.has("vocab.txt"):
        raise Refused(f"{folder.path} has no {FILE}")
    try:
        reference = BertTokenizer.from_pretrained(str(folder.path), local_files_only=True)
    except Exception as error:  # transformers raises what it finds
        raise Refused(f"{folder.path} has no tokenizer that can be opened: {error}") from error
    content = reference.backend_tokenizer.to_str()
    vocabulary = Tokenizer.from_str(content).get_vocab()
    found = tuple(vocabulary.get(name) for name in SEPARATORS)
    if found != _IDS:
        raise Refused(
            f"{folder.path / FILE} has {SEPARATORS} as {found}; GroundingDINO parts texts by {_IDS}"
        )
    size = checkpoint.model.config.text_config.vocab_size
    if max(vocabulary.values()) >= size:
        raise Refused(f"{folder.path / FILE} has the token {max(vocabulary.values())}, the model has {size}")
    reader = _reader(content, max_tokens)
    wanted = reference(". ".join(each.lower() for each in PROMPTS) + ".")["input_ids"]
    row = caption(reader)
    if row["input_ids"][row["attention_mask"] > 0].tolist() != wanted:
        raise Refused(
            f"{folder.path / FILE} does not give the tokens that transformers gives for this folder"
        )
    return content, reader


def caption(reader: JointReader) -> dict[str, np.ndarray]:
    """Return one text of all prompts of the check. Raises Refused if they do not fit into one."""
    try:
        (text,) = reader(PROMPTS)
    except ValueError as error:  # one is too long, or there is more than one text
        raise Refused("the model reads too few tokens at a time to be checked") from error
    return text.tokens.tensors()


def _reader(content: str, max_tokens: int) -> JointReader:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        path.write_text(content, encoding="utf-8")
        try:
            return JointReader(path, max_tokens=max_tokens)
        except ValueError as error:
            raise Refused(
                f"the checkpoint's {FILE} has none of the tokens that part texts: {error}"
            ) from error
