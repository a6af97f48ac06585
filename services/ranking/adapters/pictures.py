"""Ordering by the candidates' own pictures and names: no language model is asked."""

from __future__ import annotations

from collections.abc import Sequence

from models.ranking.joining import Weights
from models.ranking.templates import LETTERS
from services.kernel.crops import crops
from services.kernel.errors import FoveaError, InvalidInput, NotFound
from services.ranking.adapters.compared import Compared
from services.ranking.adapters.described import Described
from services.ranking.adapters.pairs import Looks
from services.ranking.adapters.papers import EXEMPLARS
from services.ranking.adapters.words import Texts
from services.ranking.domain.asking import Effort, Judgement, Mode, Question, Reading, Terms
from services.runtime import deadline
from services.runtime.model_execution.ports import ModelExecution


class PictureRanker:
    """Compares the crop with the pictures that voted, candidate by candidate.

    Args:
        models: Runs them.
        described: How they are asked; it has a model that compares.
        looks: Keeps what was seen of exemplars' pictures.
        texts: Keeps names that were read; None: names are not compared.
    """

    def __init__(
        self, models: ModelExecution, described: Described, looks: Looks, texts: Texts | None = None
    ) -> None:
        self._preparation = described.sight.preparation
        self._compared = Compared(models, described, looks, texts)
        self._terms = Terms(
            modes=(Mode.PICTURES,),
            most_labels=len(LETTERS),
            exemplars_per_label=EXEMPLARS,
            picture_px=2 * max(self._preparation.size_px, self._preparation.resize_px),
            prompt_tokens=0,
            label_tokens=0,
            call_s=described.ordering.call_s,
            token_s=0.0,
            weights=Weights(described.ordering.weights),
        )

    def models(self) -> tuple[str, ...]:
        """Return the identities of those that see, of that which compares and of that which reads."""
        return self._compared.models()

    def terms(self) -> Terms:
        """Return on what terms it can be asked; there is nothing to read, so it costs no tokens."""
        return self._terms

    def rank(
        self,
        questions: Sequence[Question],
        effort: Effort,  # noqa: ARG002  (pictures have no order)
    ) -> Sequence[Judgement | FoveaError]:
        """Return what the pictures say of each question, in order."""
        deadline.check()
        return [self._judged(question) for question in questions]

    def _judged(self, question: Question) -> Judgement | FoveaError:
        try:
            (square,) = crops(question.picture, [question.region], self._preparation)
        except InvalidInput as error:
            return error
        evidence, whole = self._compared(square, question)
        if not evidence:
            deadline.check()
            return NotFound("no pictures by which the candidates could be told apart", reason="NO_PICTURES")
        in_order = tuple(range(len(question.labels)))
        return Judgement(
            evidence=evidence,
            readings=tuple(Reading(in_order, tuple(map(float, each.log_probabilities))) for each in evidence),
            models=self.models(),
            template="",
            prompt_digest="",
            whole=whole,
        )
