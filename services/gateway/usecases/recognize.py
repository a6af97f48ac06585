"""The waiting door: an image in, its record out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.gateway.domain.options import without_places
from services.gateway.domain.recognition import (
    RANKING_RUNG,
    WHOLE_IMAGE_RUNG,
    Accepted,
    Recognition,
    Task,
    completed,
    require_same_request,
    retrieval_order,
)
from services.gateway.ports import (
    Announcer,
    Encoder,
    Images,
    Ordering,
    Proposal,
    Ranker,
    Recognitions,
    Recollection,
    Retriever,
    Segmenter,
)
from services.gateway.usecases.intake import Intake, drop_passing_image, store_image
from services.kernel.errors import Unavailable
from services.kernel.regions import whole_image
from services.kernel.vocabulary import (
    Envelope,
    ImageReference,
    RecognitionOptions,
    Region,
    Stage,
    voting_spaces,
)


@dataclass(frozen=True)
class Steps:
    """The services that an image passes through, in order."""

    segmenter: Segmenter
    encoder: Encoder
    retriever: Retriever
    ranker: Ranker


class RunSteps:
    """Takes a stored image through all steps; where one may be missing, goes on without it.

    Args:
        version: Of this service; it did what a missing one did not.
        clock: Gives seconds since the epoch.
    """

    def __init__(self, steps: Steps, *, version: str, clock: Callable[[], float]) -> None:
        self._steps = steps
        self._version = version
        self._clock = clock

    def __call__(self, envelope: Envelope) -> Recognition:
        """Return the record. Raises what the steps raise."""
        proposal = self._propose(envelope)
        spaces = voting_spaces(envelope.options.votes)
        encoding = self._steps.encoder.encode(envelope.image, proposal.regions, spaces=spaces)
        options = without_places(envelope.options)
        found = self._steps.retriever.recall(envelope.collection, encoding.regions, options)
        ordering = self._rank(envelope.image, proposal.regions, found, options)
        for stage in (proposal.stage, encoding.stage, found.stage, ordering.stage):
            envelope = envelope.after(stage)
        return completed(
            envelope, proposal.regions, found.candidates, ordering.rankings, ended_at_s=self._clock()
        )

    def _propose(self, envelope: Envelope) -> Proposal:
        options = envelope.options
        try:
            return self._steps.segmenter.propose(
                envelope.image, shapes=options.shapes, prompts=options.prompts, find=options.find
            )
        except Unavailable:
            if options.shapes or options.prompts:  # the caller wants these, and nothing else will do
                raise
            stage = Stage("segmentation", self._version, rungs=(WHOLE_IMAGE_RUNG,))
            return Proposal((whole_image(envelope.image),), stage)

    def _rank(
        self,
        image: ImageReference,
        regions: tuple[Region, ...],
        found: Recollection,
        options: RecognitionOptions,
    ) -> Ordering:
        try:
            return self._steps.ranker.rank(image, regions, found.candidates, options)
        except Unavailable:
            stage = Stage("ranking", self._version, rungs=(RANKING_RUNG,))
            return Ordering(tuple(map(retrieval_order, found.candidates)), stage)


class Recognize:
    """Recognises one image and waits for the record; the same id gives the same record."""

    def __init__(
        self,
        intake: Intake,
        run_steps: RunSteps,
        *,
        images: Images,
        recognitions: Recognitions,
        announcer: Announcer,
    ) -> None:
        self._intake = intake
        self._run_steps = run_steps
        self._images = images
        self._recognitions = recognitions
        self._announcer = announcer

    def __call__(self, task: Task) -> Recognition:
        """Return the record, which is stored and announced.

        Raises:
            InvalidInput: The image, an id or an option is wrong.
            NotFound: The collection is unknown, or an exemplar that is a prompt.
            Conflict: The id was used for another request.
            DeadlineExceeded: The time is used up; nothing keeps a retry from succeeding.
            Unavailable: A step without which there is no answer is down.
        """
        accepted = self._intake(task)
        earlier = self._earlier(task, accepted)
        record = earlier or self._kept(accepted, task.image)
        # A repeated call announces again: the earlier one may have ended between the two.
        self._announcer.completed(record)
        return record

    def _earlier(self, task: Task, accepted: Accepted) -> Recognition | None:
        if not task.recognition_id:
            return None
        earlier = self._recognitions.find(task.collection.tenant, task.recognition_id)
        if earlier is not None:
            require_same_request(accepted, earlier.envelope, self._intake.shipped)
        return earlier

    def _kept(self, accepted: Accepted, image: bytes) -> Recognition:
        envelope = self._intake.with_pictures(accepted.envelope)
        try:
            store_image(self._images, envelope.image, image, accepted.retention)
            record = self._run_steps(envelope)
        finally:
            drop_passing_image(self._images, envelope.image)
        kept = self._recognitions.keep(record)
        if kept is not record:
            require_same_request(accepted, kept.envelope, self._intake.shipped)
        return kept
