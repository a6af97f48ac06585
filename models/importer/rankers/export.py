"""A language model that sees pictures to two model folders, compared with transformers before they count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from models.importer.description import described_file
from models.importer.export import LEAST_COSINE, TOLERANCE, Parity, head, tensor, write
from models.importer.graphs import Folders, Written
from models.importer.pictures import crops, pixels
from models.importer.rankers.families import RankerCheckpoint
from models.importer.rankers.reading import ASKED, TEMPLATE, Reading, reading_of
from models.importer.refusal import Refused
from models.importer.running import Model
from models.importer.tokens import FILE
from models.ranking.batching import answers, tensors
from models.ranking.templates import LETTERS, Content
from models.ranking.tree import packed, read_letters, tokenised
from models.text.literal import LiteralTokenizer

TOKENS: Final = "tokens"
RANKER: Final = "ranker"
MOST_ROW: Final = 4096
"""Tokens of one forward pass; a mask has their square."""
_FREE: Final = -1
_ANY: Final = (-np.inf, np.inf)


def write_ranker(
    checkpoint: RankerCheckpoint, folders: Folders, *, name: str, paths: Sequence[Path]
) -> list[Written]:
    """Write what makes tokens of crops, and what reads them.

    Args:
        checkpoint: What they are made from.
        folders: Makes the folder of a name.
        name: What their names begin with.
        paths: Real pictures for the check.

    Raises:
        Refused: One is not what transformers computes.
    """
    reading = reading_of(checkpoint)
    seeing = _write_tokens(checkpoint, folders(f"{name}-{TOKENS}"), name)
    ranker = folders(f"{name}-{RANKER}")
    _write_letters(checkpoint, reading, ranker, name=name)
    side = checkpoint.preprocessing.size_px
    noise = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    real = crops(list(paths), checkpoint.preprocessing.settings)
    check = _Check(checkpoint, reading, Model(seeing), Model(ranker))
    whole = check.likeness(real, [pixels(path) for path in paths])
    random, found = check.difference(noise), check.difference(real)
    parity = Parity(random, found, len(real), whole)
    return [
        Written(seeing, parity, {"crops": real[:1]}),
        Written(ranker, parity, check.rows(real[:1])),
    ]


def _write_tokens(checkpoint: RankerCheckpoint, folder: Path, name: str) -> Path:
    tower = checkpoint.eye()
    how = checkpoint.preprocessing
    side = how.size_px
    noise = torch.zeros((3, side, side, 3), dtype=torch.uint8)
    with torch.inference_mode():
        _, count, dim = tower(noise).shape
    description = {
        **head(checkpoint, f"{name}-{TOKENS}", "eye and projector"),
        "preprocessing": how.words,
        "crops": {"fit": how.fit, "resize_px": how.resize_px, "resample": how.resample},
        "inputs": [tensor("crops", "UINT8", (_FREE, side, side, 3), "batch, row, column, RGB", (0, 255))],
        "outputs": [tensor("tokens", "FP32", (_FREE, count, dim), "batch, token, dim", _ANY)],
    }
    write(tower, {"crops": noise}, folder, description)
    return folder


def _write_letters(checkpoint: RankerCheckpoint, reading: Reading, folder: Path, *, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(reading.content, encoding="utf-8")
    text = checkpoint.model.config.text_config
    most = min(MOST_ROW, int(text.max_position_embeddings))
    highest, (count, dim) = text.vocab_size - 1, _shape_of(checkpoint)
    ids, places = (0, highest), (0, most - 1)
    description = {
        **head(checkpoint, f"{name}-{RANKER}", "ranker"),
        "preprocessing": f"models/ranking: {TEMPLATE} in the layout {reading.chat.name}, read literally.",
        "ranking": {
            "projector": f"{name}-{TOKENS}",
            "image_model": f"{name}-{TOKENS}",
            "template": TEMPLATE,
            "chat": reading.chat.name,
            "begin": reading.begin,
            "blanks": reading.blanks,
            "end": reading.end,
            "row_tokens": most,
            "call_s": 0.1,
            "token_s": 0.005,
        },
        "files": [described_file(folder / FILE, role="tokenizer")],
        "inputs": [
            tensor("input_ids", "INT64", (_FREE, _FREE), "batch, token", ids),
            tensor("positions", "INT64", (_FREE, _FREE), "batch, token", places),
            tensor("mask", "BOOL", (_FREE, _FREE, _FREE), "batch, token, token", (0, 1)),
            tensor("image_tokens", "FP32", (_FREE, count, dim), "batch, picture token, dim", _ANY),
            tensor("image_places", "INT64", (_FREE, _FREE), "batch, token", (-1, count - 1)),
            tensor("reads", "INT64", (_FREE, _FREE), "batch, read", places),
            tensor("choices", "INT64", (_FREE, _FREE, _FREE), "batch, read, choice", ids),
        ],
        "outputs": [
            tensor("log_probabilities", "FP32", (_FREE,) * 3, "batch, read, choice", (-np.inf, 0.0)),
        ],
    }
    write(checkpoint.letters(), _example(count, dim), folder, description)


def _shape_of(checkpoint: RankerCheckpoint) -> tuple[int, int]:
    side = checkpoint.preprocessing.size_px
    with torch.inference_mode():
        _, count, dim = checkpoint.eye()(torch.zeros((1, side, side, 3), dtype=torch.uint8)).shape
    return count, dim


def _example(count: int, dim: int) -> dict[str, torch.Tensor]:
    """Return a batch of rows in which no two free axes have one size."""
    batch, length, reads, choices = 2, 11, 3, 5
    numbers = torch.arange(length).repeat(batch, 1)
    return {
        "input_ids": numbers % 3,
        "positions": numbers,
        "mask": torch.ones((length, length), dtype=torch.bool).tril().repeat(batch, 1, 1),
        "image_tokens": torch.zeros((batch, count, dim)),
        "image_places": torch.where((numbers > 1) & (numbers < 2 + min(count, 4)), numbers - 2, -1),
        "reads": torch.arange(reads).repeat(batch, 1),
        "choices": torch.arange(choices).repeat(batch, reads, 1),
    }


@dataclass(frozen=True, eq=False)
class _Check:
    """Both graphs beside transformers' own model, asked as serving asks."""

    checkpoint: RankerCheckpoint
    reading: Reading
    eye: Model
    reader: Model

    @property
    def _contents(self) -> tuple[Content, Content]:
        """The same candidates in two orders, which share a row."""
        turned = Content(ASKED.labels[::-1], ASKED.descriptions[::-1])
        return ASKED, turned

    def _letters(self) -> tuple[int, ...]:
        tokens = LiteralTokenizer.from_text(self.reading.content)
        return tuple(tokens.encode(f" {letter}")[0] for letter in LETTERS[: len(ASKED.labels)])

    def rows(self, squares: np.ndarray) -> dict[str, np.ndarray]:
        """Return a row for each picture, with both orders in it."""
        return self._packed(squares)[0]

    def _packed(self, squares: np.ndarray) -> tuple[dict[str, np.ndarray], Any]:
        seen = self.eye.everything({"crops": squares})["tokens"]
        tokens = LiteralTokenizer.from_text(self.reading.content)
        prompts = [
            tokenised(
                self.reading.prompt(content),
                encode=tokens.encode,
                control=tokens.control,
                image_tokens=seen.shape[1],
            )
            for content in self._contents
        ]
        row = packed(prompts, self._letters())
        return dict(tensors([row] * len(squares), seen)), row

    def difference(self, squares: np.ndarray) -> float:
        """Return how far any letter's log-probability is from transformers'. Raises Refused if too far."""
        given, row = self._packed(squares)
        output = self.reader.everything(given)["log_probabilities"]
        ours = np.stack(
            [read_letters(row, each, len(ASKED.labels)) for each in answers([row] * len(squares), output)]
        )
        theirs = np.stack([self._theirs(squares, content) for content in self._contents], axis=1)
        difference = float(np.abs(ours - theirs).max())
        if not difference <= TOLERANCE:
            raise Refused(
                f"letters are {difference:.1e} from transformers, more than {TOLERANCE}: nothing was written"
            )
        return difference

    def _theirs(self, squares: np.ndarray, content: Content) -> np.ndarray:
        """Return the letters' log-probabilities of transformers itself, (pictures, letters)."""
        checkpoint, image = self.checkpoint, self.checkpoint.image_token
        ids: list[int] = []
        for each in self.reading.ids(self.reading.prompt(content), image=image):
            ids += [each] * (_shape_of(checkpoint)[0] if each == image else 1)
        given = checkpoint.pixel_values(list(squares), fitted=True)
        with torch.inference_mode():
            logits = checkpoint.model(
                input_ids=torch.tensor([ids] * len(squares)), pixel_values=given
            ).logits[:, -1]
        found = torch.log_softmax(logits, dim=-1)[:, list(self._letters())]
        return np.asarray(found.numpy())

    def likeness(self, real: np.ndarray, whole: Sequence[np.ndarray]) -> float:
        """Return the least cosine of tokens of pictures prepared here and by the checkpoint's processor."""
        ours = self.eye.everything({"crops": real})["tokens"].reshape(len(real), -1)
        given = self.checkpoint.pixel_values(whole)
        with torch.inference_mode():
            seen = self.checkpoint.model.model.get_image_features(pixel_values=given)
        tokens = seen if torch.is_tensor(seen) else getattr(seen, "pooler_output", seen)
        rows = tokens if torch.is_tensor(tokens) else torch.stack(list(tokens))
        theirs = rows.reshape(len(real), -1).numpy()
        norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
        least = float(((ours * theirs).sum(axis=1) / norms).min())
        if not least >= LEAST_COSINE:
            raise Refused(
                f"pictures prepared here and by transformers are {least:.4f} alike, less than {LEAST_COSINE}"
            )
        return least
