"""The streaming door: images in, receipts out; records when they are ready."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from services.gateway.domain.recognition import (
    Accepted,
    DeadLetter,
    Ended,
    Progress,
    Recognition,
    Task,
    failed,
    require_same_request,
)
from services.gateway.ports import (
    Announcer,
    Collections,
    Endings,
    Images,
    Recognitions,
    Submissions,
    Watch,
)
from services.gateway.usecases.intake import (
    Intake,
    drop_passing_image,
    require_collection,
    store_image,
)
from services.kernel.errors import NotFound
from services.kernel.vocabulary import CollectionKey, Envelope


class SubmitImage:
    """Takes one image without waiting for its record.

    Image, event and marker are made durable in this order: whoever has a receipt has all three. A crash
    in between leaves an image that ends as its one record all the same, or one that nobody was promised;
    never a marker that no record will follow.
    """

    def __init__(
        self,
        intake: Intake,
        *,
        images: Images,
        recognitions: Recognitions,
        submissions: Submissions,
        announcer: Announcer,
    ) -> None:
        self._intake = intake
        self._images = images
        self._recognitions = recognitions
        self._submissions = submissions
        self._announcer = announcer

    def __call__(self, task: Task) -> Envelope:
        """Return what was accepted; it will end as exactly one record.

        Raises:
            InvalidInput: The image, an id or an option is wrong.
            NotFound: The collection is unknown, or an exemplar that is a prompt.
            Conflict: The id was used for another request.
        """
        accepted = self._intake(task)
        ended = self._ended(task)
        if ended is not None:
            return self._note_ended(accepted, ended)
        return self._accept(accepted, task.image)

    def _ended(self, task: Task) -> Recognition | None:
        if not task.recognition_id:
            return None
        return self._recognitions.find(task.collection.tenant, task.recognition_id)

    def _note_ended(self, accepted: Accepted, ended: Recognition) -> Envelope:
        self._require_same(accepted, ended.envelope)
        envelope = self._submissions.accept(accepted.envelope)
        self._submissions.end(envelope, ended.state)
        return envelope

    def _accept(self, accepted: Accepted, image: bytes) -> Envelope:
        earlier = self._submissions.find(accepted.envelope)
        if earlier is not None:  # refuse before anything is stored
            self._require_same(accepted, earlier)
        envelope = earlier or self._intake.with_pictures(accepted.envelope)
        store_image(self._images, envelope.image, image, accepted.retention)
        self._announcer.submitted(envelope)
        kept = self._submissions.accept(envelope)
        self._require_same(accepted, kept)
        return kept

    def _require_same(self, accepted: Accepted, earlier: Envelope) -> None:
        require_same_request(accepted, earlier, self._intake.shipped)


class EndRecognition:
    """Keeps the record of a recognition that ended at the streaming door. Safe to repeat."""

    def __init__(self, *, images: Images, recognitions: Recognitions, submissions: Submissions) -> None:
        self._images = images
        self._recognitions = recognitions
        self._submissions = submissions

    def __call__(self, recognition: Recognition) -> None:
        """Store record and marker, then let a passing image go."""
        kept = self._recognitions.keep(recognition)
        envelope = recognition.envelope
        if envelope.submission_id:
            self._submissions.end(envelope, kept.state)
        drop_passing_image(self._images, envelope.image)


class FailRecognition:
    """Ends a recognition whose step nobody could take."""

    def __init__(self, recognitions: Recognitions, *, clock: Callable[[], float]) -> None:
        self._recognitions = recognitions
        self._clock = clock

    def __call__(self, letter: DeadLetter) -> Recognition:
        """Return the record to announce: the failure, or what ended this recognition before."""
        earlier = self._recognitions.find(letter.collection.tenant, letter.recognition_id)
        if earlier is None:
            return failed(letter, ended_at_s=self._clock())
        # The id may have come with two batches: this one must learn of the end as well.
        envelope = replace(earlier.envelope, submission_id=letter.submission_id)
        return replace(earlier, envelope=envelope)


class GetRecognition:
    """Finds a record."""

    def __init__(self, recognitions: Recognitions) -> None:
        self._recognitions = recognitions

    def __call__(self, tenant: str, recognition_id: str) -> Recognition:
        """Return the record. Raises NotFound until the recognition has ended."""
        found = self._recognitions.find(tenant, recognition_id)
        if found is None:
            raise NotFound(
                f"no recognition {recognition_id} of tenant {tenant} has ended",
                field="recognition_id",
                reason="RECOGNITION_UNKNOWN",
            )
        return found


class GetSubmission:
    """Says how far a batch is."""

    def __init__(self, submissions: Submissions) -> None:
        self._submissions = submissions

    def __call__(self, tenant: str, submission_id: str) -> Progress:
        """Return the counts. Raises NotFound if nothing was accepted under this id."""
        progress = self._submissions.progress(tenant, submission_id)
        if not progress.accepted:
            raise NotFound(
                f"tenant {tenant} has no submission {submission_id}",
                field="submission_id",
                reason="SUBMISSION_UNKNOWN",
            )
        return progress


class WatchRecognitions:
    """Follows the records of a collection as they end."""

    def __init__(self, collections: Collections, endings: Endings) -> None:
        self._collections = collections
        self._endings = endings

    def __call__(self, collection: CollectionKey, *, submission_id: str, resume_token: str) -> Watch:
        """Watch the records, for ever; nothing that ends after this call returned is missed.

        Raises NotFound, InvalidInput.
        """
        require_collection(self._collections, collection)
        everything = self._endings.watch(resume_token)
        ours = (each for each in everything.endings if _wanted(each, collection, submission_id))
        return replace(everything, endings=ours)


def _wanted(ended: Ended, collection: CollectionKey, submission_id: str) -> bool:
    envelope = ended.recognition.envelope
    if envelope.collection != collection:
        return False
    return not submission_id or envelope.submission_id == submission_id
