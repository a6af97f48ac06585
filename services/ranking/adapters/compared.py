"""What a crop says beside the candidates' own pictures, and beside what they are called."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from services.kernel.errors import DeadlineExceeded
from services.ranking.adapters.described import Described
from services.ranking.adapters.pairs import Comparisons, Looks
from services.ranking.adapters.words import Texts, Words
from services.ranking.domain.asking import Evidence, Question
from services.runtime.model_execution.ports import ModelExecution


class Compared:
    """Looks at the candidates' pictures once, for both.

    Args:
        models: Runs them.
        described: Which they are.
        looks: Keeps what was seen of exemplars' pictures.
        texts: Keeps names that were read; None: names are not compared.
    """

    def __init__(
        self, models: ModelExecution, described: Described, looks: Looks, texts: Texts | None = None
    ) -> None:
        self._pairs = Comparisons(models, described, looks)
        reading = described.reading
        self._words = None if reading is None or texts is None else Words(models, reading, texts)

    def models(self) -> tuple[str, ...]:
        """Return the identities of those that see, of that which compares and of that which reads."""
        return (*self._pairs.models(), *(() if self._words is None else self._words.models()))

    def __call__(
        self, square: UInt8[np.ndarray, "size size 3"], question: Question
    ) -> tuple[tuple[Evidence, ...], bool]:
        """Return what was found out, and whether it is all that was to be had."""
        count = len(question.labels)
        seen = self._pairs.look(square)
        fits, read = None, True
        try:
            pictured = self._pairs.pictured(question.exemplars)
            alike = self._pairs(seen, pictured, count)
            if self._words is not None:
                fits, read = self._words(seen, pictured, question.labels)
        except DeadlineExceeded:
            return (), False
        said = (("pairs", alike), ("words", fits))
        found = tuple(Evidence(source, values) for source, values in said if values is not None)
        return found, pictured.whole and read
