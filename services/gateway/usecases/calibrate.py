"""Choosing a collection's thresholds on its own exemplars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from services.gateway.domain import calibration
from services.gateway.domain.calibration import Calibration, Outcome, Question, Wish
from services.gateway.domain.collections import Collection
from services.gateway.domain.options import effective_options
from services.gateway.domain.teaching import ExemplarQuery
from services.gateway.ports import Collections, Teacher
from services.gateway.usecases.intake import require_collection
from services.gateway.usecases.recognize import Steps
from services.kernel.errors import NotFound
from services.kernel.limits import LIMITS
from services.kernel.regions import whole_image
from services.kernel.sharing import TimeLimit
from services.kernel.vocabulary import CollectionKey, Exemplar, RecognitionOptions, voting_spaces


@dataclass(frozen=True)
class Progress:
    """How far a calibration is; the last has what was chosen."""

    done: int
    all: int
    calibration: Calibration | None = None


class Calibrate:
    """Asks about a sample of exemplars as a caller would, each with itself left out, and chooses thresholds.

    The gates are held open for it: a model is asked about all of them, whatever retrieval's margin.

    Args:
        collections: Those that there are.
        teacher: Knows the memory version that holds all that was taught.
        steps: Whom it asks; nobody is asked where to look.
        limit: How long it may take.
        shipped: Options that apply where the collection says nothing.
        clock: Gives seconds since the epoch.
    """

    def __init__(  # noqa: PLR0913  (three of them by name)
        self,
        collections: Collections,
        teacher: Teacher,
        steps: Steps,
        *,
        limit: TimeLimit,
        shipped: RecognitionOptions,
        clock: Callable[[], float],
    ) -> None:
        self._collections = collections
        self._teacher = teacher
        self._steps = steps
        self._limit = limit
        self._shipped = shipped
        self._clock = clock

    def __call__(self, key: CollectionKey, wish: Wish) -> Iterator[Progress]:
        """Yield how far it is, then what was chosen, which is kept by then.

        Raises:
            InvalidInput: The wish cannot be met whatever there is.
            NotFound: There is no such collection.
            Conflict: There are too few exemplars; the message says how many it takes.
            Unavailable, DeadlineExceeded: A service is away, or the time is used up; nothing was changed.
        """
        calibration.checked_wish(wish)
        collection = require_collection(self._collections, key)
        version = self._teacher.memory_version()
        asked = calibration.questions(self._exemplars(key, version), wish)
        calibration.require_enough(len(asked), wish.error_rate)
        return self._calibrated(collection, asked, wish, version)

    def _calibrated(
        self, collection: Collection, asked: list[Question], wish: Wish, version: str
    ) -> Iterator[Progress]:
        options = replace(
            effective_options(RecognitionOptions(), collection, self._shipped),
            trust_threshold=1.0,
            unknown_threshold=1.0,
            min_memory_version=version,
        )
        outcomes: list[Outcome] = []
        models: dict[str, None] = {}
        for done, question in enumerate(asked):
            self._limit.check()
            yield Progress(done, len(asked))
            try:
                outcome, took_part = self._outcome(collection.key, question, options)
            except NotFound:  # its picture is not kept any more
                continue
            outcomes.append(outcome)
            models |= dict.fromkeys(took_part)
        found = replace(
            calibration.chosen(outcomes, wish),
            models=tuple(models),
            calibrated_at_s=self._clock(),
            memory_version=version,
        )
        if not wish.dry_run:
            current = require_collection(self._collections, collection.key)
            self._collections.change(replace(current, calibration=found))
        yield Progress(len(asked), len(asked), found)

    def _outcome(
        self, key: CollectionKey, question: Question, options: RecognitionOptions
    ) -> tuple[Outcome, tuple[str, ...]]:
        exemplar = question.exemplar
        if exemplar.image is None:
            raise NotFound(f"{exemplar.exemplar_id} has no picture", reason="NO_OBJECT")
        region = replace(exemplar.region or whole_image(exemplar.image), region_id="0")
        ask = self._steps
        encoded = ask.encoder.encode(exemplar.image, [region], spaces=voting_spaces(options.votes))
        left_out = question.left_out[: LIMITS.excluded_exemplars]
        found = ask.retriever.recall(key, encoded.regions, replace(options, exclude_exemplar_ids=left_out))
        ordering = ask.ranker.rank(exemplar.image, [region], found.candidates, options)
        outcome = Outcome.of(exemplar.label, found.candidates[0], ordering.rankings[0])
        return outcome, ordering.stage.models

    def _exemplars(self, key: CollectionKey, version: str) -> Iterator[Exemplar]:
        query = ExemplarQuery(key, page_size=LIMITS.page_size, min_memory_version=version)
        while True:
            page = self._steps.retriever.list_exemplars(query)
            yield from page.exemplars
            if not page.next_page_token:
                return
            query = replace(query, page_token=page.next_page_token)
