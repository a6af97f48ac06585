"""GroundingDINO: boxes from one text of all prompts, so that what is asked changes what is seen.

Prompts are not independent: those of one text are weighed against one another, and a list that is longer than
the text is cut into several, each with a look of its own. Source: Liu et al., arXiv 2303.05499.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Float32, UInt8

from models.segmentation.imported.running import Runs
from models.segmentation.imported.texts import JointReader, JointText

_NOT_ASKED: Final = np.float32(-50_000.0)
"""Logit of a prompt at a place that was seen with other prompts."""


@dataclass(frozen=True, eq=False)
class Places:
    """What was seen in squares with some prompts.

    Attributes:
        logits: How well each prompt fits each place.
        boxes: Left, top, right, bottom as shares of the square.
    """

    logits: Float32[np.ndarray, "n place prompt"]
    boxes: Float32[np.ndarray, "n place 4"]


class JointBoxes:
    """Asks one model. Safe to use from many threads.

    Args:
        models: Run it.
        name: What it is called.
        reader: Of its prompts.
    """

    def __init__(self, models: Runs, name: str, reader: JointReader) -> None:
        self._models = models
        self._name = name
        self._reader = reader

    def rows(self, prompts: Sequence[str]) -> Float32[np.ndarray, "prompt token"]:
        """Return each prompt's tokens, in numbers that can be kept as vectors are: all are whole.

        Raises:
            UnreadablePromptError: One is too long, or nothing of it can be read.
        """
        rows = np.full((len(prompts), self._reader.longest), self._reader.pad_id, dtype=np.float32)
        for index, prompt in enumerate(prompts):
            row = self._reader.row(index, prompt)
            rows[index, : len(row)] = row
        return rows

    def look(
        self, squares: UInt8[np.ndarray, "n side side 3"], rows: Float32[np.ndarray, "prompt token"]
    ) -> Places:
        """Return what is in squares; there are as many places for each text that the prompts fill.

        Args:
            squares: As `models.segmentation.prepared` draws them.
            rows: Of `rows`, at least one.
        """
        pad = self._reader.pad_id
        texts = self._reader.texts([row[row != pad].astype(int).tolist() for row in rows])
        seen = [[self._seen(square, text, len(rows)) for text in texts] for square in squares]
        logits = np.stack([np.concatenate([each for each, _ in parts]) for parts in seen])
        boxes = np.stack([np.concatenate([each for _, each in parts]) for parts in seen])
        return Places(logits, boxes)

    def _seen(
        self, square: UInt8[np.ndarray, "side side 3"], text: JointText, prompts: int
    ) -> tuple[Float32[np.ndarray, "place prompt"], Float32[np.ndarray, "place 4"]]:
        reply = self._models.run(self._name, {"images": square[np.newaxis], **text.tokens.tensors()})
        logits = np.full((reply["boxes"].shape[1], prompts), _NOT_ASKED, dtype=np.float32)
        logits[:, text.prompts] = best_tokens(reply["logits"][0], text.spans)
        return logits, reply["boxes"][0]


def best_tokens(
    logits: Float32[np.ndarray, "place token"], spans: np.ndarray
) -> Float[np.ndarray, "place prompt"]:
    """Return the logit of each prompt's best token, by which its publishers choose what is found.

    Args:
        logits: -inf at padding.
        spans: Which tokens are a prompt's own, (prompt, token).
    """
    return np.stack([logits[:, span].max(axis=1) for span in spans], axis=1)
