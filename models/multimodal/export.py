"""Measures what was trained and writes what ships: `python -m models.multimodal.export`.

The projector becomes the model `fovea-projector`, the adapters become part of `fovea-ranker`. Figures are
those of the classes that were held apart from training; with `--measure` nothing is written.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from models.evaluation.metrics import Share
from models.export import DESCRIPTION, GRAPH, STORE, compare, halve, round_as_halved, stamp, write_graph
from models.language.export import export_ranker
from models.multimodal.data import Inputs
from models.multimodal.features import Features
from models.multimodal.judging import (
    CANDIDATES,
    Answers,
    Question,
    ask,
    fitted,
    judged,
    named_questions,
    questions,
)
from models.multimodal.network import NAME, VISUAL, Multimodal, Projector, narrow
from models.multimodal.rows import Tokens, Writer, batch, name_means
from models.multimodal.settings import IMAGE_TOKENS, Recipe
from models.multimodal.train import Prepared, prepared, restored
from models.vision.global_encoder.train import centred_texts

PROJECTOR: Final = "fovea-projector"
TOLERANCE: Final = 1e-4
JOINED: Final = (
    ("retrieval", "letters"),
    ("retrieval", "letters 1"),
    ("retrieval", "names"),
    ("retrieval", "names without the blind"),
    ("retrieval", "letters", "names without the blind"),
)
_BATCH: Final = 16
_One = TypeVar("_One")


class Speaking:
    """The model, asked for likelihoods.

    Args:
        model: In evaluation mode.
        seen: Features of all views.
        tokens: Of the language model.
    """

    def __init__(self, model: Multimodal, seen: Features, tokens: Tokens) -> None:
        self._model = model
        self._seen = seen
        self._writer = Writer(tokens, IMAGE_TOKENS)
        plain = np.flatnonzero(seen.is_plain)
        self._blind = [
            torch.from_numpy(rows[plain].astype(np.float32).mean(0)) for rows in (seen.embeddings, seen.names)
        ]

    def names(self, questions: Sequence[Question], *, blind: bool = False) -> Float64[np.ndarray, "n label"]:
        """Return the mean log-likelihood of each name; blind: of the mean of all pictures."""
        found = []
        for own in _parts(questions):
            made = batch([self._writer.names(each.labels) for each in own])
            with torch.inference_mode(), narrow():
                likelihoods = self._model(
                    Inputs.of(made, torch.device("cpu")), *self._features(own, blind=blind)
                )
            found.append(name_means(likelihoods.float().numpy(), made.owner, len(own[0].labels)))
        return np.concatenate(found).astype(np.float64)

    def letters(
        self, questions: Sequence[Question], orders: Sequence[Int[np.ndarray, "label"]]
    ) -> Float64[np.ndarray, "n label"]:
        """Return the log-probability of each place's letter."""
        found = []
        for own, shown in zip(_parts(questions), _parts(orders), strict=True):
            rows = [
                self._writer.letters([each.labels[place] for place in order], [0])
                for each, order in zip(own, shown, strict=True)
            ]
            inputs = Inputs.of(batch(rows), torch.device("cpu"))
            signs = torch.tensor(self._writer.signs(len(own[0].labels)))
            with torch.inference_mode(), narrow():
                read = self._model.llama(
                    inputs.ids,
                    inputs.positions,
                    inputs.mask,
                    self._model.projector(*self._features(own, blind=False)).float(),
                    inputs.places,
                    inputs.reads,
                    signs.expand(len(own), 1, -1),
                )
            found.append(read[:, 0].float().numpy())
        return np.concatenate(found).astype(np.float64)

    def _features(self, own: Sequence[Question], *, blind: bool) -> tuple[Tensor, Tensor]:
        if blind:
            first, second = (row.expand(len(own), -1) for row in self._blind)
            return first, second
        views = [each.view for each in own]
        first, second = (
            torch.from_numpy(rows[views].astype(np.float32))
            for rows in (self._seen.embeddings, self._seen.names)
        )
        return first, second


def measured(ready: Prepared, model: Multimodal, *, count: int, orders: int) -> dict[str, object]:
    """Return what the model is worth on classes that are held apart, taught by a picture or by name."""
    judge = Speaking(model, ready.seen, ready.tokens)
    asked = {
        "by picture": questions(ready.lot, ready.seen, count=count),
        "by name": named_questions(ready.lot, ready.seen, centred_texts, count=count),
    }
    figures: dict[str, object] = {}
    for way, found in asked.items():
        full = [each for each in found if len(each.labels) == CANDIDATES]
        answers, chosen = ask(judge, full, orders=orders)
        figures[way] = {"n": len(full), "chosen": chosen.round(3).tolist(), **_said(answers)}
    return figures


def _said(answers: Answers) -> dict[str, object]:
    alone = {name: _share(answers.share(name)) for name in answers.evidence}
    together = {
        " + ".join(parts): (
            _share(judged(answers, parts)),
            {part: round(weight, 3) for part, weight in fitted(answers, parts).items()},
        )
        for parts in JOINED
    }
    return {"alone": alone, "joined, cross-fitted": together}


def _share(found: Share) -> str:
    low, high = found.interval
    return f"{found.value:.1%} ({low:.1%} to {high:.1%})"


def export_projector(projector: Projector, store: Path = STORE) -> Path:
    """Write the projector's graph, compare it with torch, stamp its description; return its folder."""
    folder = store / PROJECTOR / "1"
    folder.mkdir(parents=True, exist_ok=True)
    source = STORE / PROJECTOR / "1" / DESCRIPTION
    if source != folder / DESCRIPTION:
        shutil.copyfile(source, folder / DESCRIPTION)
    round_as_halved(projector)
    drawn = np.random.default_rng(0)
    inputs = {
        name: (drawn.standard_normal((3, size)) / size**0.5).astype(np.float32)
        for name, size in (("embeddings", VISUAL), ("names", NAME))
    }
    write_graph(
        projector,
        {name: torch.from_numpy(rows) for name, rows in inputs.items()},
        folder=folder,
        outputs=("tokens",),
        dynamic_axes=dict.fromkeys(inputs, ("batch",)),
        optimize=False,
    )
    halve(folder / GRAPH)
    with torch.inference_mode():
        expected = projector(*map(torch.from_numpy, inputs.values())).numpy()
    compare(folder, inputs, [expected], tolerance=TOLERANCE)
    stamp(folder)
    return folder


def _parts(every: Sequence[_One]) -> list[Sequence[_One]]:
    return [every[start : start + _BATCH] for start in range(0, len(every), _BATCH)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write."""
    parser = argparse.ArgumentParser(
        prog="python -m models.multimodal.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", action="store_true", help="write nothing")
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--orders", type=int, default=3)
    parser.add_argument("--stage", help="measure what this stage left")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    ready = prepared(chosen.threads)
    model = restored(ready, Recipe(), stage=chosen.stage)
    if chosen.questions:
        found = measured(ready, model, count=chosen.questions, orders=chosen.orders)
        print(json.dumps(found, indent=1))
    if not chosen.measure:
        export_projector(model.projector)
        export_ranker({name: value.detach() for name, value in model.llama.adapter().items()})


if __name__ == "__main__":
    main()
