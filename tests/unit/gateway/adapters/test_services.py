"""The way to the other services: what is asked, what is read, and whose names errors carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google.protobuf.message import Message

from fovea.encoding.v1 import encoding_pb2, encoding_pb2_grpc
from fovea.kernel.v1 import (
    audit_pb2,
    candidates_pb2,
    embedding_pb2,
    envelope_pb2,
    exemplar_pb2,
    ranking_pb2,
    region_pb2,
)
from fovea.ranking.v1 import ranking_pb2 as ranking_service
from fovea.ranking.v1 import ranking_pb2_grpc
from fovea.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from fovea.segmentation.v1 import segmentation_pb2, segmentation_pb2_grpc
from services.gateway.adapters.encoder import GrpcEncoder
from services.gateway.adapters.ranker import GrpcRanker
from services.gateway.adapters.retriever import GrpcRetriever
from services.gateway.adapters.segmenter import GrpcSegmenter
from services.gateway.domain.collections import DEFAULT_COLLECTION
from services.gateway.domain.teaching import ExemplarQuery
from services.kernel.errors import InvalidInput, NotFound, Unavailable, Unsupported
from services.kernel.rankings import RankingStatus
from services.kernel.vocabulary import (
    Box,
    Condition,
    Embedding,
    ExemplarPicture,
    FindOptions,
    ImageReference,
    MaskFormat,
    Prompt,
    PromptKind,
    RecognitionOptions,
    Region,
    RegionEmbeddings,
    RegionOrigin,
)
from services.runtime import deadline
from services.runtime.grpc_channel import Channel, open_channel
from services.runtime.grpc_server import Servicer
from tests.fakes.exemplars import embedding
from tests.fakes.gateway_steps import candidates
from tests.fakes.serving import served

IMAGE = ImageReference("d" * 64, "default/images/default/d", "image/png", 10, 8, 6)
REGION = Region("0", Box(1.0, 1.0, 4.0, 4.0), RegionOrigin.CALLER)
STAGE = envelope_pb2.Stage(name="step", version="1", models=["m@1"], duration_s=0.5)


class _Answering:
    """Answers any method with what it was given, and keeps what it was asked."""

    def __init__(self, answer: Message | Exception) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Callable[[Any, Any], Any]:
        def method(request: Any, _: Any) -> Any:
            self.asked.append(request)
            if isinstance(self.answer, Exception):
                raise self.answer
            return iter([self.answer]) if name.startswith(("Export", "Audit")) else self.answer

        return method


@contextmanager
def _service(
    name: str, add: Callable[..., None], answer: Message | Exception
) -> Iterator[tuple[Any, Channel]]:
    answering = _Answering(answer)
    full_name = f"fovea.{name}.v1.{name.capitalize()}Service"
    with served(Servicer(full_name, add, answering)) as channel, deadline.within(5.0):
        yield answering, channel


_SEGMENTATION = ("segmentation", segmentation_pb2_grpc.add_SegmentationServiceServicer_to_server)
_RETRIEVAL = ("retrieval", retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server)
_WHOLE = region_pb2.Region(
    region_id="0",
    box=region_pb2.Box(right=8, bottom=6),
    origin=region_pb2.REGION_ORIGIN_WHOLE_IMAGE,
)


def test_segmentation_is_asked_for_shapes_and_prompts() -> None:
    answer = segmentation_pb2.ProposeRegionsResponse(regions=[_WHOLE], stage=STAGE)
    with _service(*_SEGMENTATION, answer) as (asked, channel):
        found = GrpcSegmenter(channel).propose(
            IMAGE,
            shapes=[REGION.box],
            prompts=[
                Prompt(PromptKind.NAME, "bird"),
                Prompt(PromptKind.EXEMPLAR, "e1", ExemplarPicture(IMAGE, REGION)),
            ],
            find=FindOptions(threshold=0.4, tiles=False, mask_format=MaskFormat.POLYGONS),
        )

    (request,) = asked.asked
    assert (request.image.digest, request.shapes[0].box.right) == (IMAGE.digest, 4)
    assert request.prompts[0].name == "bird"
    assert (request.prompts[1].exemplar_id, request.prompts[1].picture.image.key) == ("e1", IMAGE.key)
    assert (request.find.threshold, request.find.tiles) == (0.4, False)
    assert not request.find.HasField("overlap")
    assert request.find.mask_format == region_pb2.MASK_FORMAT_RLE  # the next steps read pixels
    assert found.regions == (Region("0", Box(0.0, 0.0, 8.0, 6.0), RegionOrigin.WHOLE_IMAGE),)
    assert (found.stage.models, found.stage.duration_s) == (("m@1",), 0.5)


@pytest.mark.parametrize(
    ("error", "field"),
    [
        (InvalidInput("outside", field="shapes[2].box", reason="OUTSIDE"), "options.shapes[2].box"),
        (Unsupported("no detector", field="prompts", reason="NO_DETECTOR"), "options.prompts"),
        (NotFound("gone", field="prompts[0].exemplar_id", reason="GONE"), "options.prompts[0].exemplar_id"),
    ],
)
def test_what_segmentation_refuses_is_named_as_the_caller_knows_it(
    error: InvalidInput | NotFound | Unsupported, field: str
) -> None:
    with _service(*_SEGMENTATION, error) as (_, channel), pytest.raises(type(error)) as refused:
        GrpcSegmenter(channel).propose(IMAGE)

    assert (refused.value.field, refused.value.reason) == (field, error.reason)


def test_encoding_gives_the_embeddings_of_each_region() -> None:
    vector = embedding(3.0, 4.0)
    encoded = embedding_pb2.Embedding(vector=vector.vector.tobytes(), encoder="e@1", space="visual")
    answer = encoding_pb2.EncodeRegionsResponse(
        regions=[embedding_pb2.RegionEmbeddings(region_id="0", embeddings=[encoded])], stage=STAGE
    )
    add = encoding_pb2_grpc.add_EncodingServiceServicer_to_server
    with _service("encoding", add, answer) as (asked, channel):
        found = GrpcEncoder(channel).encode(IMAGE, [REGION])

    assert asked.asked[0].regions[0].box.right == 4
    (region,) = found.regions
    assert region.embeddings[0].vector == pytest.approx([0.6, 0.8])


def test_retrieval_is_asked_with_all_options() -> None:
    message = candidates_pb2.Candidates(region_id="0", margin=0.5)
    message.candidates.add(label="robin", score=1.0)
    answer = retrieval_pb2.RecallResponse(regions=[message], stage=STAGE)
    query = Embedding(embedding(3.0, 4.0).vector, "e@1", "visual")
    options = RecognitionOptions(size=3, filter=(Condition("year", least=2001.0),), min_memory_version="v1")
    with _service(*_RETRIEVAL, answer) as (asked, channel):
        found = GrpcRetriever(channel).recall(DEFAULT_COLLECTION, [RegionEmbeddings("0", (query,))], options)

    (request,) = asked.asked
    assert (request.options.size, request.options.min_memory_version) == (3, "v1")
    assert request.options.filter[0].range.least == 2001
    assert found.candidates[0].candidates[0].label == "robin"


def test_exemplars_and_labels_are_listed_and_exported() -> None:
    exemplar = exemplar_pb2.Exemplar(
        exemplar_id="e1", label="robin", kind=exemplar_pb2.EXEMPLAR_KIND_NAME, text="robin"
    )
    page = retrieval_pb2.ListExemplarsResponse(
        exemplars=[exemplar],
        next_page_token="t",  # noqa: S106  (no secret)
        memory_version="v1",
    )
    with _service(*_RETRIEVAL, page) as (asked, channel):
        found = GrpcRetriever(channel).list_exemplars(
            ExemplarQuery(DEFAULT_COLLECTION, "robin", 1, "p", "v0", (Condition("wild", one_of=(True,)),))
        )
    (request,) = asked.asked
    assert (request.label, request.page_size, request.page_token) == ("robin", 1, "p")
    assert request.filter[0].one_of.values[0].flag
    assert (found.exemplars[0].exemplar_id, found.next_page_token) == ("e1", "t")

    counts = retrieval_pb2.ListLabelsResponse(memory_version="v1")
    counts.labels.add(label="robin", exemplars=2)
    with _service(*_RETRIEVAL, counts) as (_, channel):
        labels = GrpcRetriever(channel).list_labels(DEFAULT_COLLECTION, min_memory_version="")
    assert labels.labels == (("robin", 2),)

    one = retrieval_pb2.ExportExemplarsResponse(exemplar=exemplar_pb2.EncodedExemplar(exemplar=exemplar))
    with _service(*_RETRIEVAL, one) as (_, channel):
        exported = list(GrpcRetriever(channel).export_exemplars(DEFAULT_COLLECTION, min_memory_version=""))
    assert exported[0].exemplar.label == "robin"


def test_an_audit_passes_through_as_it_is() -> None:
    entry = audit_pb2.AuditEntry(coverage=audit_pb2.AuditCoverage(label="robin", asked=7))
    policy = audit_pb2.AuditPolicy(least=5)
    with _service(*_RETRIEVAL, retrieval_pb2.AuditMemoryResponse(entry=entry)) as (asked, channel):
        told = list(GrpcRetriever(channel).audit(DEFAULT_COLLECTION, policy, min_memory_version="v0"))
    (request,) = asked.asked
    assert (request.policy, request.min_memory_version) == (policy, "v0")
    assert told == [entry]


def test_ranking_gives_a_ranking_of_each_region() -> None:
    ranking = ranking_pb2.Ranking(
        region_id="0",
        labels=[ranking_pb2.RankedLabel(label="wren", probability=0.8)],
        probability_unknown=0.2,
        status=ranking_pb2.RANKING_STATUS_TRUSTED_RETRIEVAL,
    )
    answer = ranking_service.RankResponse(rankings=[ranking], stage=STAGE)
    add = ranking_pb2_grpc.add_RankingServiceServicer_to_server
    options = RecognitionOptions(trust_threshold=0.9, unknown_threshold=0.5)
    with _service("ranking", add, answer) as (asked, channel):
        found = GrpcRanker(channel).rank(IMAGE, [REGION], [candidates()], options)

    (request,) = asked.asked
    assert (request.options.trust_threshold, request.options.unknown_threshold) == (0.9, 0.5)
    assert [each.label for each in request.candidates[0].candidates] == ["robin", "wren"]
    assert found.rankings[0].status is RankingStatus.TRUSTED_RETRIEVAL


def test_a_service_that_is_not_there_is_unavailable() -> None:
    with open_channel("127.0.0.1:1") as channel, deadline.within(5.0), pytest.raises(Unavailable):
        GrpcEncoder(channel).encode(IMAGE, [REGION])
