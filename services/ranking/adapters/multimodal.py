"""Ordering with the language model of the store, over whatever runs models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, UInt8

from models.ranking.letters import Read, averaged
from models.ranking.orders import Order, orders
from models.ranking.pieces import Prompt, digest
from models.ranking.templates import LETTERS, Content, render
from services.kernel.crops import crops
from services.kernel.errors import DeadlineExceeded, FoveaError, InvalidInput
from services.ranking.adapters.described import OUTPUT, PATCHES, Described
from services.ranking.adapters.rows import Row, batches, laid_out, row_of
from services.ranking.domain.asking import Effort, Evidence, Judgement, Mode, Question, Reading, Terms
from services.runtime import deadline
from services.runtime.model_execution.embeddings import same_models
from services.runtime.model_execution.ports import ModelExecution

MOST_CROPS = 4
"""Crops of one forward pass, as encoding has it."""
_MODES = {"letters": Mode.LETTERS, "names": Mode.NAMES, "both": Mode.BOTH}


@dataclass(frozen=True, eq=False)
class _Ask:
    """One prompt: of which question, in which order, and what was read."""

    question: int
    order: Order
    prompt: Prompt
    row: Row


@dataclass(eq=False)
class _Said:
    """What was read of one question so far."""

    asks: list[_Ask] = field(default_factory=list)
    reads: list[Float32[np.ndarray, "k"]] = field(default_factory=list)


class MultimodalRanker:
    """Shows a model the crop and the candidates behind letters, and reads how likely each letter is.

    Args:
        models: Runs them.
        described: How they are asked.
    """

    def __init__(self, models: ModelExecution, described: Described) -> None:
        self._models = models
        self._described = described
        self._terms = _terms(described)

    def models(self) -> tuple[str, ...]:
        """Return the identities of all models, the language model's last."""
        ordering = self._described.ordering
        names = (self._described.sight.name, ordering.local_model, ordering.projector, self._described.ranker)
        return tuple(self._models.identity(name) for name in names if name)

    def terms(self) -> Terms:
        """Return on what terms it can be asked."""
        return self._terms

    def rank(self, questions: Sequence[Question], effort: Effort) -> Sequence[Judgement | FoveaError]:
        """Return what the model says of each question, in order."""
        models = self.models()
        answers: dict[int, Judgement | FoveaError] = {}
        squares: dict[int, UInt8[np.ndarray, "size size 3"]] = {}
        for place, question in enumerate(questions):
            try:
                (squares[place],) = crops(
                    question.picture, [question.region], self._described.sight.preparation
                )
            except InvalidInput as error:
                answers[place] = error
        if squares:
            tokens = dict(zip(squares, self._seen(np.stack(list(squares.values()))), strict=True))
            asks = [ask for ask in self._asks(questions, effort) if ask.question in squares]
            for place, said in self._read(asks, tokens).items():
                answers[place] = self._judged(said, len(questions[place].labels), models)
        same_models(models, self.models())
        late = DeadlineExceeded("there was no time to ask")
        return [answers.get(place, late) for place in range(len(questions))]

    def _seen(self, squares: UInt8[np.ndarray, "n size size 3"]) -> Float32[np.ndarray, "n v dim"]:
        """Return the tokens of each crop."""
        ordering = self._described.ordering
        found = []
        for start in range(0, len(squares), MOST_CROPS):
            some = squares[start : start + MOST_CROPS]
            deadline.check()
            seen = self._models.run(self._described.sight.name, {"crops": some})
            given = {name: seen[output] for name, output in self._described.seen.items()}
            if ordering.local_model:
                given[PATCHES] = self._models.run(ordering.local_model, {"tiles": some})[PATCHES]
            found.append(self._models.run(ordering.projector, given)["tokens"])
        return np.concatenate(found)

    def _asks(self, questions: Sequence[Question], effort: Effort) -> list[_Ask]:
        """Return all prompts, the first orders of all questions before the second ones."""
        asks: list[tuple[int, _Ask]] = []
        for place, question in enumerate(questions):
            shown = orders(question.labels, count=effort.orders, seed=effort.seed)
            asks += [(turn, self._ask(place, question, order)) for turn, order in enumerate(shown)]
        return [ask for _, ask in sorted(asks, key=lambda each: each[0])]

    def _ask(self, place: int, question: Question, order: Order) -> _Ask:
        content = Content(
            tuple(question.labels[i] for i in order), tuple(question.descriptions[i] for i in order)
        )
        prompt = render(self._described.ordering.template, content)
        count, _ = self._described.image_tokens
        row = row_of(prompt, self._described.tokens, count, self._described.letters[: len(order)])
        return _Ask(place, order, prompt, row)

    def _read(
        self, asks: Sequence[_Ask], tokens: Mapping[int, Float32[np.ndarray, "v dim"]]
    ) -> dict[int, _Said]:
        """Return what was read of each question; those that there was no time for are missing."""
        said: dict[int, _Said] = {}
        for some in batches([ask.row for ask in asks], self._described.ordering.row_tokens):
            batch = [asks[i] for i in some]
            try:
                deadline.check()
                reply = self._models.run(
                    self._described.ranker,
                    laid_out([ask.row for ask in batch], np.stack([tokens[ask.question] for ask in batch])),
                )
            except DeadlineExceeded:
                if said:
                    break
                raise
            for ask, values in zip(batch, reply[OUTPUT], strict=True):
                of_question = said.setdefault(ask.question, _Said())
                of_question.asks.append(ask)
                of_question.reads.append(values[0, : len(ask.order)])
        return said

    def _judged(self, said: _Said, labels: int, models: tuple[str, ...]) -> Judgement | FoveaError:
        reads = [Read(ask.order, read) for ask, read in zip(said.asks, said.reads, strict=True)]
        mean = averaged(reads, labels)
        if not mean.used:
            return FoveaError(f"the model answered no letter: {'; '.join(mean.left_out)}", reason="NO_ANSWER")
        return Judgement(
            evidence=(Evidence("letters", np.asarray(mean.log_probabilities, dtype=np.float64)),),
            readings=tuple(
                Reading(ask.order, tuple(map(float, read)))
                for ask, read in zip(said.asks, said.reads, strict=True)
            ),
            models=models,
            template=self._described.ordering.template,
            prompt_digest=digest(said.asks[0].prompt),
            tokens=sum(len(ask.row.ids) for ask in said.asks),
        )


def _terms(described: Described) -> Terms:
    ordering = described.ordering
    count, _ = described.image_tokens
    prompts = [render(ordering.template, Content(("x",) * labels)) for labels in (1, 2)]
    one, two = (len(row_of(prompt, described.tokens, count, described.letters[:1]).ids) for prompt in prompts)
    first = _MODES[ordering.mode]
    return Terms(
        modes=(first, *(mode for mode in (Mode.LETTERS,) if mode is not first)),
        most_labels=len(LETTERS),
        picture_px=2 * max(described.sight.preparation.size_px, described.sight.preparation.resize_px),
        prompt_tokens=2 * one - two,
        label_tokens=two - one,
        call_s=ordering.call_s,
        token_s=ordering.token_s,
        weights=ordering.weights,
    )
