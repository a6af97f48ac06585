"""Ordering with the language model of the store, over whatever runs models."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32, UInt8

from models.ranking.batching import answers, tensors
from services.kernel.crops import crops
from services.kernel.errors import DeadlineExceeded, FoveaError, InvalidInput
from services.ranking.adapters.compared import Compared
from services.ranking.adapters.described import OUTPUT, PATCHES, Described
from services.ranking.adapters.pairs import Looks
from services.ranking.adapters.papers import Paper, Papers
from services.ranking.adapters.words import Texts
from services.ranking.domain.asking import Effort, Judgement, Question, Terms
from services.runtime import deadline
from services.runtime.model_execution.embeddings import same_models
from services.runtime.model_execution.ports import ModelExecution

MOST_CROPS = 4
"""Crops of one forward pass, as encoding has it."""


class MultimodalRanker:
    """Shows a model the crop and the candidates, and reads how likely each letter, or each name, is.

    Args:
        models: Runs them.
        described: How they are asked.
        looks: Keeps what was seen of exemplars' pictures, if the model compares with those.
        texts: Keeps names that were read; None: names are not compared.
    """

    def __init__(
        self,
        models: ModelExecution,
        described: Described,
        looks: Looks | None = None,
        texts: Texts | None = None,
    ) -> None:
        self._models = models
        self._described = described
        compares = looks is not None and described.ordering.pairs_model
        self._compared = Compared(models, described, looks, texts) if looks is not None and compares else None
        self._papers = Papers(described)
        self._terms = self._papers.terms()

    def models(self) -> tuple[str, ...]:
        """Return the identities of all models, the language model's last."""
        ordering = self._described.ordering
        names = [self._described.sight.name]
        if self._described.takes_patches:
            names.append(ordering.local_model)
        seeing = map(self._models.identity, names)
        comparing = () if self._compared is None else self._compared.models()
        ordered = map(self._models.identity, (ordering.projector, self._described.ranker))
        return tuple(dict.fromkeys((*seeing, *comparing, *ordered)))

    def terms(self) -> Terms:
        """Return on what terms it can be asked."""
        return self._terms

    def rank(self, questions: Sequence[Question], effort: Effort) -> Sequence[Judgement | FoveaError]:
        """Return what the model says of each question, in order."""
        models = self.models()
        squares: dict[int, UInt8[np.ndarray, "size size 3"]] = {}
        said: dict[int, Judgement | FoveaError] = {}
        for place, question in enumerate(questions):
            try:
                (squares[place],) = crops(
                    question.picture, [question.region], self._described.sight.preparation
                )
            except InvalidInput as error:
                said[place] = error
        if squares:
            papers = {place: self._papers(questions[place], effort) for place in squares}
            seen = dict(zip(squares, self._seen(np.stack(list(squares.values()))), strict=True))
            self._fill(papers, seen)
            for place, paper in papers.items():
                said[place] = self._with_compared(paper.judgement(models), squares[place], questions[place])
        same_models(models, self.models())
        return [said[place] for place in range(len(questions))]

    def _with_compared(
        self, said: Judgement | FoveaError, square: UInt8[np.ndarray, "size size 3"], question: Question
    ) -> Judgement | FoveaError:
        """Return the judgement with what candidates' pictures and names say, as far as time allows."""
        if self._compared is None or isinstance(said, FoveaError) or not any(question.exemplars):
            return said
        started = time.perf_counter()
        try:
            found, whole = self._compared(square, question)
        except DeadlineExceeded:
            found, whole = (), False
        evidence = (*said.evidence, *found)
        return replace(said, evidence=evidence, whole=whole, other_s=time.perf_counter() - started)

    def _seen(self, squares: UInt8[np.ndarray, "n size size 3"]) -> Float32[np.ndarray, "n v dim"]:
        """Return the tokens of each crop."""
        ordering = self._described.ordering
        found = []
        for start in range(0, len(squares), MOST_CROPS):
            some = squares[start : start + MOST_CROPS]
            deadline.check()
            seen = self._models.run(self._described.sight.name, {"crops": some})
            if not self._described.seen:
                found.append(seen["tokens"])
                continue
            given = {name: seen[output] for name, output in self._described.seen.items()}
            if self._described.takes_patches:
                given[PATCHES] = self._models.run(ordering.local_model, {"tiles": some})[PATCHES]
            found.append(self._models.run(ordering.projector, given)["tokens"])
        return np.concatenate(found)

    def _fill(self, papers: Mapping[int, Paper], seen: Mapping[int, Float32[np.ndarray, "v dim"]]) -> None:
        """Have the model answer all rows, the first of each question first, as long as there is time."""
        rows = [(turn, place) for place, paper in papers.items() for turn in range(len(paper.rows))]
        for some in self._batches(sorted(rows), papers):
            asked = [papers[place].rows[turn] for turn, place in some]
            try:
                deadline.check()
                image_tokens = np.stack([seen[place] for _, place in some])
                reply = self._models.run(self._described.ranker, tensors(asked, image_tokens))
            except DeadlineExceeded:
                if all(paper.read for paper in papers.values()):
                    return
                raise
            for (turn, place), output in zip(some, answers(asked, reply[OUTPUT]), strict=True):
                papers[place].read[turn] = output

    def _batches(
        self, rows: Sequence[tuple[int, int]], papers: Mapping[int, Paper]
    ) -> Iterator[Sequence[tuple[int, int]]]:
        """Yield rows that go through the model together: as long as the longest, times their number."""
        most = self._described.ordering.row_tokens
        batch: list[tuple[int, int]] = []
        longest = 0
        for turn, place in rows:
            size = papers[place].rows[turn].size
            if batch and max(longest, size) * (len(batch) + 1) > most:
                yield batch
                batch, longest = [], 0
            batch.append((turn, place))
            longest = max(longest, size)
        if batch:
            yield batch
