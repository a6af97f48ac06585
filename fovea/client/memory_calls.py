"""The client's calls that teach, correct and show a memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import grpc

from fovea.client.audit import Audit, Coverage, Finding, read_audit, read_coverage, read_finding
from fovea.client.errors import FoveaError
from fovea.client.memory import Exemplar, Forgotten, LabelCount, Lesson, Taught
from fovea.client.options import AttributeValue, ImageSource, Where
from fovea.client.ordered_stream import OrderedStream
from fovea.client.reading import read_embedding, read_exemplar
from fovea.client.session import Session
from fovea.client.shapes import Shape
from fovea.client.statuses import from_failure
from fovea.client.writing import write_lesson, write_where
from fovea.gateway.v1 import memory_pb2 as pb
from fovea.kernel.v1 import audit_pb2

_PAGE_SIZE = 500


class MemoryCalls:
    """Calls that teach. No training takes place: what is taught can be recognised at once."""

    _session: Session

    def teach(self, lessons: Iterable[Lesson]) -> Iterator[Taught]:
        """Teach a stream of lessons; each answer says that one is durable, in the same order.

        >>> lessons = (fovea.Lesson(path.parent.name, image=path) for path in Path("birds").glob("*/*.jpg"))
        >>> failed = [taught for taught in client.teach(lessons) if taught.failed]

        Nothing is sent until the answers are read: it streams lazily, with at most `window` lessons
        ahead of the answers. A lesson that fails carries its `failure`, and the rest goes on. Teaching the
        same twice is teaching it once, so a broken run is simply run again.
        """
        for lesson, answer in self._remembered(lessons, timeout_s=None):
            yield self._taught(lesson, answer)

    def teach_image(
        self,
        label: str,
        image: ImageSource,
        *,
        region: Shape | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Taught:
        """Teach a class by one picture and wait until it is durable.

        >>> client.teach_image("goldfinch", "goldfinch.jpg", region=(10, 20, 200, 220))

        Args:
            label: The class.
            image: The path of a file, or encoded bytes.
            region: The part that shows the class; None: the whole picture.
            attributes: Values to filter by later.

        Raises:
            InvalidInput: The picture or the label is no good; `field` says which.
        """
        return self._teach_one(Lesson(label, image=image, region=region, attributes=attributes or {}))

    def teach_name(
        self,
        label: str,
        name: str | None = None,
        *,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Taught:
        """Teach a class by its name alone; no picture is needed. Without `name` the label is the name.

        >>> client.teach_name("goldfinch")
        >>> client.teach_name("goldfinch", "European goldfinch")
        """
        return self._teach_one(Lesson(label, name=name, attributes=attributes or {}))

    def teach_attribute(
        self, label: str, attribute: str, *, attributes: Mapping[str, AttributeValue] | None = None
    ) -> Taught:
        """Teach a class by what one sees on it, in words.

        >>> client.teach_attribute("goldfinch", "red face, yellow wing bar")
        """
        return self._teach_one(Lesson(label, attribute=attribute, attributes=attributes or {}))

    def forget(self, exemplar_ids: Sequence[str] = (), *, label: str = "", erase: bool = False) -> Forgotten:
        """Forget exemplars by id, or all exemplars of a label, and say how many there were.

        >>> client.forget(["8d1f…"]).count
        >>> client.forget(label="goldfinch")
        >>> client.forget(["8d1f…"], erase=True)

        Args:
            exemplar_ids: Which; of those to erase also such as only a kept version has.
            label: All of it that is there now.
            erase: For good: no version brings them back, and their pictures are deleted.
        """
        request = pb.ForgetRequest(
            collection=self._session.key, exemplar_ids=exemplar_ids, label=label, erase=erase
        )
        answer = self._session.connection.call(
            self._session.connection.memory.Forget, request, timeout_s=self._session.timeout_s
        )
        self._session.wrote(answer.memory_version)
        return Forgotten(answer.forgotten, answer.memory_version)

    def correct(self, recognition_id: str, label: str, *, region_id: str = "") -> Taught:
        """Give the right label of a recognised region: it becomes an exemplar, and feedback for training.

        >>> answer = client.recognize("bird.jpg")
        >>> client.correct(answer.recognition_id, "goldfinch")

        Args:
            recognition_id: Of the answer that was wrong, or right.
            label: The right label.
            region_id: `Region.region_id`; empty: the first region.
        """
        request = pb.CorrectRequest(
            tenant=self._session.tenant,
            recognition_id=recognition_id,
            region_id=region_id or "0",
            label=label,
        )
        answer = self._session.connection.call(
            self._session.connection.memory.Correct, request, timeout_s=self._session.timeout_s
        )
        self._session.wrote(answer.memory_version)
        return Taught(Lesson(label), answer.exemplar_id, answer.memory_version)

    def labels(self) -> tuple[LabelCount, ...]:
        """Return the labels of the collection with the number of exemplars of each.

        >>> {entry.label: entry.exemplars for entry in client.labels()}
        """
        request = pb.ListLabelsRequest(
            collection=self._session.key, min_memory_version=self._session.memory_version
        )
        answer = self._session.connection.call(
            self._session.connection.memory.ListLabels, request, timeout_s=self._session.timeout_s
        )
        return tuple(LabelCount(entry.label, entry.exemplars) for entry in answer.labels)

    def exemplars(self, *, label: str = "", where: Where | None = None) -> Iterator[Exemplar]:
        """Yield the exemplars in order of their ids, page by page as they are read.

        >>> for exemplar in client.exemplars(label="goldfinch", where={"continent": "Africa"}):
        ...     print(exemplar.exemplar_id, exemplar.kind)
        """
        request = pb.ListExemplarsRequest(
            collection=self._session.key,
            label=label,
            page_size=_PAGE_SIZE,
            min_memory_version=self._session.memory_version,
            filter=write_where(where or {}),
        )
        while True:
            page = self._session.connection.call(
                self._session.connection.memory.ListExemplars, request, timeout_s=self._session.timeout_s
            )
            yield from map(read_exemplar, page.exemplars)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def export(self) -> Iterator[Exemplar]:
        """Yield every exemplar of the collection with its embeddings, as one stream."""
        request = pb.ExportExemplarsRequest(
            collection=self._session.key, min_memory_version=self._session.memory_version
        )
        with self._streamed(self._session.connection.memory.ExportExemplars(request)) as answers:
            for answer in answers:
                kept = answer.exemplar
                yield replace(
                    read_exemplar(kept.exemplar), embeddings=tuple(map(read_embedding, kept.embeddings))
                )

    def audit(
        self,
        *,
        space: str = "",
        duplicate: float | None = None,
        neighbours: int | None = None,
        least: int | None = None,
    ) -> Audit:
        """Look for what may be wrong with the memory: doubles, contradictions, strangers, thin classes.

        >>> audit = client.audit()
        >>> print(f"{audit.recall(1):.0%} of the exemplars are recognised by the others")
        >>> wrong = [finding.exemplar for finding in audit.findings if finding.kind == "suspect_label"]

        Args:
            space: Whose vectors are compared; empty: pictures.
            duplicate: Cosine from which two exemplars show the same thing; None: 0.98.
            neighbours: How many neighbours say what label an exemplar should have; None: 10.
            least: Exemplars that a label should have; None: 3.
        """
        request = pb.AuditMemoryRequest(
            collection=self._session.key,
            min_memory_version=self._session.memory_version,
            policy=audit_pb2.AuditPolicy(
                space=space, duplicate=duplicate, neighbours=neighbours, least=least
            ),
        )
        findings: list[Finding] = []
        coverage: list[Coverage] = []
        summary = audit_pb2.AuditSummary()
        with self._streamed(self._session.connection.memory.AuditMemory(request)) as answers:
            for entry in (answer.entry for answer in answers):
                if entry.HasField("finding"):
                    findings.append(read_finding(entry.finding))
                elif entry.HasField("coverage"):
                    coverage.append(read_coverage(entry.coverage))
                else:
                    summary = entry.summary
        return read_audit(summary, tuple(findings), tuple(coverage))

    @contextmanager
    def _streamed(self, call: Any) -> Iterator[Any]:
        """Give a stream of answers; its errors are the client's, and it ends with its reader."""
        try:
            yield call
        except grpc.RpcError as failed:
            raise self._session.connection.translate(failed) from failed
        finally:
            call.cancel()

    def _teach_one(self, lesson: Lesson) -> Taught:
        for _, answer in self._remembered([lesson], timeout_s=self._session.timeout_s):
            taught = self._taught(lesson, answer)
            if taught.failure is not None:
                raise taught.failure
        return taught

    def _remembered(
        self, lessons: Iterable[Lesson], *, timeout_s: float | None
    ) -> Iterator[tuple[Lesson, pb.RememberResponse | FoveaError]]:
        stream: OrderedStream[Lesson, pb.RememberRequest, pb.RememberResponse] = OrderedStream(
            self._session.connection,
            self._session.connection.memory.Remember,
            lambda lesson: write_lesson(self._session.key, lesson),
            window=self._session.window,
            timeout_s=timeout_s,
        )
        return stream.run(lessons)

    def _taught(self, lesson: Lesson, answer: pb.RememberResponse | FoveaError) -> Taught:
        if isinstance(answer, FoveaError):
            return Taught(lesson, lesson.exemplar_id, failure=answer)
        if answer.HasField("failure"):
            return Taught(lesson, answer.exemplar_id, failure=from_failure(answer.failure))
        self._session.wrote(answer.memory_version)
        return Taught(lesson, answer.exemplar_id, answer.memory_version)
