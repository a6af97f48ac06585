"""The shipped ranker: five letters from one prefill, five names as a packed tree, or as a naive batch.

All ask about the same candidates behind the same prompt of 150 tokens. Memory and start are those of a
process that runs nothing else.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

import models
from benchmarks.measure import Side, in_turn
from benchmarks.table import megabytes, milliseconds, table
from models.language.tokenizer import LanguageTokenizer
from models.ranking.batching import tensors
from models.ranking.pieces import Piece
from models.ranking.templates import Content, branch, letters, render
from models.ranking.tree import Row, Tokens, packed, tokenised
from services.runtime.model_execution.onnx import OnnxModels, OnnxSettings
from services.runtime.model_execution.store import ModelStore

NAME: Final = "fovea-ranker"
PROMPT_TOKENS: Final = 150
_IMAGE_TOKENS: Final = 5
_LABELS: Final = ("House sparrow", "Tree sparrow", "Spanish sparrow", "Dunnock", "Reed bunting")
_WORDS: Final = (
    "brown back with dark streaks, grey crown, short thick bill, pale cheeks and a small black bib"
)
_CALLS: Final = 3
_THREADS: Final = (1, 2)
_KIB: Final = 1024


@dataclass(frozen=True)
class Alone:
    """What a process takes that has only this model.

    Attributes:
        start_s: Processor time from the model's files to a first answer, imports and digests aside.
        most_bytes: The most memory that was held, shared pages included.
    """

    start_s: float
    most_bytes: float


@dataclass(frozen=True)
class Found:
    """Costs of a question.

    Attributes:
        sides: By the number of threads: how it is asked.
        tokens: Of the prompt.
        alone: Of a process by itself.
    """

    sides: dict[int, dict[str, Side]]
    tokens: int
    alone: Alone


@dataclass(frozen=True)
class Questions:
    """One question as rows of the graph."""

    letters: list[Row]
    tree: list[Row]
    naive: list[Row]
    tokens: int


def measure() -> Found:
    """Ask in turn, with one thread and with two."""
    asked = questions()
    sides = {threads: in_turn(_sides(asked, _model(threads)), lambda: range(_CALLS)) for threads in _THREADS}
    return Found(sides, asked.tokens, _alone())


def report(found: Found) -> str:
    """Return the result as tables."""
    head = (
        f"k = {len(_LABELS)}, a prompt of {found.tokens} tokens",
        "wall ms",
        "cpu ms",
        "cheaper",
        "spread",
    )
    rows = []
    for threads, sides in found.sides.items():
        naive = sides["naive batch of names"]
        for name, side in sides.items():
            times = f"{naive.cpu_s / side.cpu_s:.1f}x"
            wall, cpu = milliseconds(side.wall_s), milliseconds(side.cpu_s)
            rows.append((f"{name}, threads: {threads}", wall, cpu, times, f"{side.spread:.0%}"))
    goals = [
        ("letters, threads: 2", f"{milliseconds(found.sides[2]['letters'].wall_s)} ms", "<= 800 ms"),
        ("most memory of a process with it alone", megabytes(found.alone.most_bytes), "<= 500 MB"),
        ("from its files to a first answer, cpu", f"{milliseconds(found.alone.start_s)} ms", ""),
    ]
    goal = "letters and tree over the naive batch: goal >= 2.5x cheaper"
    return f"{table(head, rows)}\n{goal}\n\n{table(('exact', 'measured', 'goal'), goals)}"


def questions() -> Questions:
    """Return the same question asked in three ways."""
    tokenizer = LanguageTokenizer.from_file(ModelStore(_store()).open(NAME).external("tokenizer"))
    prompt = _prompt(tokenizer)
    ids = [tokenizer.encode(letter)[0] for letter in letters(len(_LABELS))]
    names = [_tokens(tokenizer, branch(label)).ids for label in _LABELS]
    return Questions(
        letters=[packed([prompt], ids)],
        tree=[packed(question=prompt, names=names)],
        naive=[packed(question=prompt, names=[name]) for name in names],
        tokens=len(prompt.ids),
    )


def _prompt(tokenizer: LanguageTokenizer) -> Tokens:
    """Return a prompt of the wanted length: descriptions get a word more until it has it."""
    words = _WORDS.split()
    said = [""] * len(_LABELS)
    found = _tokens(tokenizer, render("letters@1", Content(_LABELS, tuple(said))))
    for turn in range(len(words) * len(said)):
        place = turn % len(said)
        said[place] = " ".join(words[: turn // len(said) + 1])
        longer = _tokens(tokenizer, render("letters@1", Content(_LABELS, tuple(said))))
        if len(longer.ids) > PROMPT_TOKENS:
            break
        found = longer
    return found


def _tokens(tokenizer: LanguageTokenizer, prompt: Sequence[Piece]) -> Tokens:
    return tokenised(
        prompt,
        encode=tokenizer.encode,
        control=tokenizer.control,
        image_tokens=_IMAGE_TOKENS,
    )


def _sides(asked: Questions, model: OnnxModels) -> dict[str, Callable[[Sequence[int]], object]]:
    return {
        "letters": _asking(model, asked.letters),
        "packed tree of names": _asking(model, asked.tree),
        "naive batch of names": _asking(model, asked.naive),
    }


def _asking(model: OnnxModels, rows: list[Row]) -> Callable[[Sequence[int]], object]:
    image = np.random.default_rng(0).normal(0, 0.1, (len(rows), _IMAGE_TOKENS, 576)).astype(np.float32)
    given = tensors(rows, image)
    return lambda calls: [model.run(NAME, given) for _ in calls]


def _model(threads: int) -> OnnxModels:
    return OnnxModels([ModelStore(_store()).open(NAME)], settings=OnnxSettings(threads=threads))


def _store() -> Path:
    return Path(models.__file__).parent / "store"


def _alone() -> Alone:
    """Ask in a process of its own."""
    command = [sys.executable, "-c", "from benchmarks.ranking_model import ask_alone; ask_alone()"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()  # noqa: S603
    return Alone(float(said[0]), float(said[1]))


def ask_alone() -> None:
    """Ask once, and print what that took."""
    asked = questions()
    folder = ModelStore(_store()).open(NAME)
    began = time.process_time()
    _asking(OnnxModels([folder], settings=OnnxSettings(threads=2)), asked.letters)([0])
    took_s = time.process_time() - began
    (most,) = [
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    ]
    print(took_s, int(most.split()[1]) * _KIB)


if __name__ == "__main__":
    print(report(measure()))
