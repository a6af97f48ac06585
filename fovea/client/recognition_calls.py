"""The client's calls that recognise, submit and watch."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from fovea.client.errors import FoveaError
from fovea.client.images import source_name
from fovea.client.options import ImageSource, Options, Picture, Prompt
from fovea.client.ordered_stream import OrderedStream
from fovea.client.reading import read_recognition, read_time
from fovea.client.results import Receipt, Recognition, Submission
from fovea.client.session import Session
from fovea.client.shapes import Shape
from fovea.client.statuses import from_failure
from fovea.client.watching import Watch
from fovea.client.writing import write_task
from fovea.gateway.v1 import gateway_pb2 as pb


class RecognitionCalls:
    """Calls that recognise."""

    _session: Session

    def recognize(  # noqa: PLR0913  (all but one by name)
        self,
        image: ImageSource,
        *,
        regions: Sequence[Shape] = (),
        prompts: Sequence[Prompt] = (),
        size: int | None = None,
        options: Options | None = None,
        recognition_id: str = "",
    ) -> Recognition:
        """Recognise one picture and wait for the answer.

        >>> answer = client.recognize("bird.jpg")
        >>> answer.best, answer.status, answer.labels[0].probability
        >>> client.recognize("flock.jpg", regions=[(10, 20, 200, 220), (300, 40, 420, 260)], size=3)
        >>> prompts = [Prompt("bottle"), Prompt("the cup on the left", "phrase")]
        >>> answer = client.recognize("shelf.jpg", prompts=prompts)
        >>> [(found.found_by.prompt.text, found.box, found.best) for found in answer.regions]

        Args:
            image: The path of a file, or the encoded bytes (JPEG, PNG, WebP, GIF or BMP).
            regions: Boxes (left, top, right, bottom), polygons of (x, y) points, or masks; none: the whole
                picture.
            prompts: What to look for in place of regions: all that is found is recognised.
            size: Most labels per region.
            options: Everything else one may ask: filters, thresholds, votes.
            recognition_id: The same id gives the same record, so a call may be repeated; empty: chosen here.

        Raises:
            InvalidInput: The picture or an option is no good; `field` says which.
            NotFound: There is no such collection.
            Unavailable: No server answers, though it was tried several times.
            DeadlineExceeded: The client's `timeout_s` passed.
        """
        picture = _identified(Picture(image, regions, recognition_id, prompts))
        task = write_task(self._session.key, picture, self._session.effective(options, size=size))
        answer = self._session.connection.call(
            self._session.connection.gateway.Recognize,
            pb.RecognizeRequest(task=task),
            timeout_s=self._session.timeout_s,
        )
        return read_recognition(answer.recognition, source=source_name(image))

    def recognize_many(
        self, images: Iterable[ImageSource | Picture], *, options: Options | None = None
    ) -> Iterator[Recognition]:
        """Recognise a stream of pictures; the answers come in the same order, as they are ready.

        >>> for answer in client.recognize_many(sorted(Path("birds").glob("*.jpg"))):
        ...     print(answer.source, answer.failure or answer.best)

        A picture that cannot be read or recognised gives an answer with `failure`, and the rest goes on.
        `images` may be endless: it is read by another thread, at most `window` items ahead of the
        answers. When the connection breaks, what has no answer is sent again.

        Args:
            images: Paths, bytes, or `Picture` for regions and ids of single pictures.
            options: What to ask for all of them.

        Raises:
            FoveaError: The stream as a whole broke and could not be opened again.
        """
        effective = self._session.effective(options)
        stream: OrderedStream[Picture, pb.RecognizeStreamRequest, pb.RecognizeStreamResponse] = OrderedStream(
            self._session.connection,
            self._session.connection.gateway.RecognizeStream,
            lambda picture: pb.RecognizeStreamRequest(task=write_task(self._session.key, picture, effective)),
            window=self._session.window,
        )
        for picture, answer in stream.run(map(_picture, images)):
            yield _recognition(picture, answer)

    def submit(
        self,
        images: Iterable[ImageSource | Picture],
        *,
        submission_id: str = "",
        options: Options | None = None,
    ) -> Iterator[Receipt]:
        """Hand in pictures without waiting for their records; a receipt says that one is durable.

        >>> receipts = list(client.submit(paths))
        >>> client.submission(receipts[0].submission_id).pending
        >>> client.recognition(receipts[0].recognition_id).best

        Streams like `recognize_many`: lazily, in order, and one bad picture does not stop the rest.

        Args:
            images: Paths, bytes, or `Picture` for regions and ids of single pictures.
            submission_id: Names the batch; empty: chosen here.
            options: What to ask for all of them.
        """
        batch = submission_id or uuid.uuid4().hex
        effective = self._session.effective(options)
        stream: OrderedStream[Picture, pb.SubmitImagesRequest, pb.SubmitImagesResponse] = OrderedStream(
            self._session.connection,
            self._session.connection.gateway.SubmitImages,
            lambda picture: pb.SubmitImagesRequest(
                submission_id=batch, task=write_task(self._session.key, picture, effective)
            ),
            window=self._session.window,
        )
        for picture, answer in stream.run(map(_picture, images)):
            yield _receipt(picture, answer, batch)

    def recognition(self, recognition_id: str) -> Recognition:
        """Return the record of a recognition that has ended.

        Raises:
            NotFound: There is no such recognition, or it has not ended yet.
        """
        request = pb.GetRecognitionRequest(tenant=self._session.tenant, recognition_id=recognition_id)
        answer = self._session.connection.call(
            self._session.connection.gateway.GetRecognition, request, timeout_s=self._session.timeout_s
        )
        return read_recognition(answer.recognition)

    def submission(self, submission_id: str) -> Submission:
        """Say how far a batch is. Raises NotFound."""
        request = pb.GetSubmissionRequest(tenant=self._session.tenant, submission_id=submission_id)
        answer = self._session.connection.call(
            self._session.connection.gateway.GetSubmission, request, timeout_s=self._session.timeout_s
        )
        return Submission(submission_id, answer.accepted, answer.completed, answer.failed)

    def watch(self, *, submission_id: str = "", resume_token: str = "") -> Iterator[Recognition]:
        """Yield the collection's records as they end, from now on, until the caller stops.

        >>> for answer in client.watch():
        ...     print(answer.recognition_id, answer.best)
        ...     save(answer.resume_token)

        After a disconnect it goes on behind the last record it saw.

        Args:
            submission_id: Only records of this batch; empty: all.
            resume_token: From a record of an earlier watch, to go on behind it.
        """
        request = pb.WatchRecognitionsRequest(
            collection=self._session.key, submission_id=submission_id, resume_token=resume_token
        )
        return Watch(
            self._session.connection, self._session.connection.gateway.WatchRecognitions, request
        ).run()


def _picture(image: ImageSource | Picture) -> Picture:
    return _identified(image if isinstance(image, Picture) else Picture(image))


def _identified(picture: Picture) -> Picture:
    """Return the picture with an id, so that sending it twice is sending it once."""
    return picture if picture.recognition_id else replace(picture, recognition_id=uuid.uuid4().hex)


def _recognition(picture: Picture, answer: pb.RecognizeStreamResponse | FoveaError) -> Recognition:
    source = source_name(picture.image)
    failed = partial(Recognition, picture.recognition_id, source=source)
    if isinstance(answer, FoveaError):
        return failed(failure=answer)
    if answer.HasField("failure"):
        return failed(failure=from_failure(answer.failure))
    return read_recognition(answer.recognition, source=source)


def _receipt(picture: Picture, answer: pb.SubmitImagesResponse | FoveaError, batch: str) -> Receipt:
    source = source_name(picture.image)
    failed = partial(Receipt, picture.recognition_id, batch, source=source)
    if isinstance(answer, FoveaError):
        return failed(failure=answer)
    if answer.HasField("failure"):
        return failed(failure=from_failure(answer.failure))
    return failed(accepted_at=read_time(answer.receipt.accepted_at))
