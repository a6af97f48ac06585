"""The services that the gateway calls, in tests."""
# ruff: noqa: ARG002  (a fake need not look at everything)

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fovea.kernel.v1 import audit_pb2
from fovea.kernel.v1.migration_pb2 import SpaceReport
from services.gateway.domain.migration import Report
from services.gateway.domain.teaching import ExemplarPage, ExemplarQuery, LabelCounts
from services.gateway.ports import (
    Encoding,
    Ordering,
    Proposal,
    Recollection,
)
from services.gateway.ports.steps import NOTHING_SAID
from services.kernel.rankings import Candidate, Candidates, RankedLabel, Ranking, RankingStatus
from services.kernel.vocabulary import (
    Box,
    CollectionKey,
    Embedding,
    EncodedExemplar,
    Exemplar,
    FindOptions,
    ImageReference,
    Prompt,
    RecognitionOptions,
    Region,
    RegionEmbeddings,
    RegionOrigin,
    Shape,
    SpaceVote,
    Stage,
)


@dataclass
class Step:
    """What every fake service has: an error to raise, and what to do before it answers."""

    error: Exception | None = None
    before: Callable[[], None] = lambda: None
    calls: int = 0

    def enter(self) -> None:
        self.calls += 1
        self.before()
        if self.error is not None:
            raise self.error


class FakeSegmenter(Step):
    """Gives one region a shape, or the left half; prompts find what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Sequence[Prompt], FindOptions]] = []
        self.found: tuple[Region, ...] | None = None

    def propose(
        self,
        image: ImageReference,
        *,
        shapes: Sequence[Shape] = (),
        prompts: Sequence[Prompt] = (),
        find: FindOptions = NOTHING_SAID,
    ) -> Proposal:
        self.enter()
        self.asked.append((prompts, find))
        if prompts and self.found is not None:
            return Proposal(self.found, Stage("segmentation", "1"))
        boxes = [each for each in shapes if isinstance(each, Box)] or [Box(0.0, 0.0, image.width_px / 2, 1.0)]
        regions = tuple(Region(str(i), box, RegionOrigin.CALLER) for i, box in enumerate(boxes))
        return Proposal(regions, Stage("segmentation", "1"))


class FakeEncoder(Step):
    """Gives every region the same vector."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[tuple[str, ...]] = []

    def spaces(self) -> tuple[str, ...]:
        return ("visual", "other")

    def encode(
        self, image: ImageReference, regions: Sequence[Region], *, spaces: Sequence[str] = ()
    ) -> Encoding:
        self.enter()
        self.wanted.append(tuple(spaces))
        embedding = Embedding(np.array([1, 0], np.float32), encoder="e@1", space="visual")
        found = tuple(RegionEmbeddings(region.region_id, (embedding,)) for region in regions)
        return Encoding(found, Stage("encoding", "1", models=("e@1",)))


def looks(space: str) -> Embedding:
    return Embedding(np.array([1, 0], np.float32), encoder=f"{space}@1", space=space)


def candidates(region_id: str = "0") -> Candidates:
    return Candidates(
        region_id,
        (Candidate("robin", 0.75, ()), Candidate("wren", 0.25, ())),
        margin=0.5,
        entropy=0.56,
        unknown_score=0.2,
        votes=(),
    )


class FakeRetriever(Step):
    """Knows two labels, and the exemplars that it was given."""

    def __init__(self, exemplars: Sequence[Exemplar] = ()) -> None:
        super().__init__()
        self.exemplars = list(exemplars)
        self.queries: list[ExemplarQuery] = []
        self.audits: list[tuple[CollectionKey, object, str]] = []
        self.embeddings: dict[str, tuple[Embedding, ...]] = {}
        self.report = Report(
            passes=True,
            vote=SpaceVote("other", 1.0, 0.1, 0.6),
            said="worse",
            message=SpaceReport(passes=True),
        )
        self.compared: list[tuple[SpaceVote, str, object]] = []

    def recall(
        self,
        collection: CollectionKey,
        regions: Sequence[RegionEmbeddings],
        options: RecognitionOptions,
    ) -> Recollection:
        self.enter()
        found = tuple(candidates(region.region_id) for region in regions)
        return Recollection(found, Stage("retrieval", "1", memory_version="v1"))

    def list_exemplars(self, query: ExemplarQuery) -> ExemplarPage:
        self.enter()
        self.queries.append(query)
        wanted = query.exemplar_ids
        found = [each for each in self.exemplars if query.label in ("", each.label)]
        found = [each for each in found if not wanted or each.exemplar_id in wanted]
        page = tuple(found[: query.page_size or 100])
        return ExemplarPage(page, "more" if len(found) > len(page) else "", "v1")

    def export_exemplars(
        self,
        collection: CollectionKey,
        *,
        min_memory_version: str,
        after: str = "",
        having: Sequence[str] = (),
        lacking: Sequence[str] = (),
    ) -> Iterator[EncodedExemplar]:
        self.enter()
        for each in sorted(self.exemplars, key=lambda one: one.exemplar_id):
            kept = self.embeddings.get(each.exemplar_id, ())
            spaces = {one.space for one in kept}
            is_lacking = not lacking or not spaces.issuperset(lacking)
            if each.exemplar_id > after and spaces.issuperset(having) and is_lacking:
                yield EncodedExemplar(each, kept)

    def count_spaces(
        self, collection: CollectionKey, *, min_memory_version: str
    ) -> Mapping[frozenset[str], int]:
        self.enter()
        return Counter(
            frozenset(one.space for one in self.embeddings.get(each.exemplar_id, ()))
            for each in self.exemplars
        )

    def compare_spaces(
        self,
        collection: CollectionKey,
        before: SpaceVote,
        after_space: str,
        policy: object,
        *,
        min_memory_version: str,
    ) -> Report:
        self.enter()
        self.compared.append((before, after_space, policy))
        return self.report

    def list_labels(self, collection: CollectionKey, *, min_memory_version: str) -> LabelCounts:
        self.enter()
        labels = sorted({each.label for each in self.exemplars})
        counts = tuple((label, sum(each.label == label for each in self.exemplars)) for label in labels)
        return LabelCounts(counts, "v1")

    def audit(
        self, collection: CollectionKey, policy: object, *, min_memory_version: str
    ) -> Iterator[object]:
        self.enter()
        self.audits.append((collection, policy, min_memory_version))
        summary = audit_pb2.AuditSummary(exemplars=len(self.exemplars), memory_version="v1")
        return iter([audit_pb2.AuditEntry(summary=summary)])


class FakeRanker(Step):
    """Turns the candidates round."""

    def rank(
        self,
        image: ImageReference,
        regions: Sequence[Region],
        candidates: Sequence[Candidates],
        options: RecognitionOptions,
    ) -> Ordering:
        self.enter()
        rankings = tuple(
            Ranking(
                found.region_id,
                tuple(RankedLabel(each.label, 0.4) for each in reversed(found.candidates)),
                0.2,
                RankingStatus.RANKED,
            )
            for found in candidates
        )
        return Ordering(rankings, Stage("ranking", "1"))
