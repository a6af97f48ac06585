"""What is written is read back; what is wrong is refused by the name of its field."""

import numpy as np
import pytest
from hypothesis import given

from fovea.kernel.v1 import candidates_pb2, embedding_pb2, envelope_pb2, exemplar_pb2, prompt_pb2, region_pb2
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.rankings import Candidates, Ranking
from services.kernel.vocabulary import (
    Condition,
    Embedding,
    Envelope,
    Exemplar,
    ImageReference,
    Region,
    Shape,
    Stage,
)
from services.runtime.codec import candidates as candidates_codec
from services.runtime.codec import exemplar as exemplar_codec
from services.runtime.codec import recognition as recognition_codec
from services.runtime.codec import region as region_codec
from tests.unit.runtime.codec import strategies


@given(strategies.images)
def test_an_image_reference_comes_back(image: ImageReference) -> None:
    assert region_codec.read_image(region_codec.write_image(image)) == image


@given(strategies.shapes)
def test_a_shape_comes_back(shape: Shape) -> None:
    assert region_codec.read_shape(region_codec.write_shape(shape), field="shape") == shape


@given(strategies.regions)
def test_a_region_comes_back(region: Region) -> None:
    assert region_codec.read_region(region_codec.write_region(region), field="region") == region


@given(strategies.embeddings())
def test_an_embedding_comes_back_bit_for_bit(embedding: Embedding) -> None:
    read = exemplar_codec.read_embedding(exemplar_codec.write_embedding(embedding), field="embedding")

    np.testing.assert_array_equal(read.vector, embedding.vector)
    assert (read.encoder, read.space) == (embedding.encoder, embedding.space)


@given(strategies.exemplars)
def test_an_exemplar_comes_back(exemplar: Exemplar) -> None:
    assert exemplar_codec.read_exemplar(exemplar_codec.write_exemplar(exemplar), field="exemplar") == exemplar


@given(strategies.conditions)
def test_a_condition_comes_back(condition: Condition) -> None:
    message = candidates_codec.write_condition(condition)

    assert candidates_codec.read_filter([message], field="filter") == (condition,)


@given(strategies.candidates)
def test_candidates_come_back(found: Candidates) -> None:
    assert candidates_codec.read_candidates(candidates_codec.write_candidates(found)) == found


@given(strategies.rankings)
def test_a_ranking_comes_back(ranking: Ranking) -> None:
    assert recognition_codec.read_ranking(recognition_codec.write_ranking(ranking)) == ranking


@given(strategies.stages)
def test_a_stage_comes_back(stage: Stage) -> None:
    assert recognition_codec.read_stage(recognition_codec.write_stage(stage)) == stage


@given(strategies.envelopes)
def test_an_envelope_comes_back(envelope: Envelope) -> None:
    assert recognition_codec.read_envelope(recognition_codec.write_envelope(envelope)) == envelope


def test_a_time_keeps_its_microseconds() -> None:
    written = recognition_codec.write_time(1_790_000_000.123456)

    assert recognition_codec.read_time(written) == pytest.approx(1_790_000_000.123456, abs=1e-6)


@pytest.mark.parametrize(
    "vector", [b"", b"abc", np.array([np.nan, 1], "<f4").tobytes(), np.zeros(4, "<f4").tobytes()]
)
def test_an_embedding_that_is_no_unit_vector_is_refused(vector: bytes) -> None:
    message = embedding_pb2.Embedding(vector=vector, encoder="e@1", space="visual")

    with pytest.raises(InvalidInput) as refused:
        exemplar_codec.read_embedding(message, field="regions[0].embeddings[1]")

    assert refused.value.field == "regions[0].embeddings[1].vector"


@pytest.mark.parametrize(
    "edges", [(0, 0, 0, 1), (0, 0, 1, 0), (2, 0, 1, 1), (float("nan"), 0, 1, 1), (0, 0, float("inf"), 1)]
)
def test_a_box_without_an_inside_is_refused(edges: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = edges
    message = region_pb2.Shape(box=region_pb2.Box(left=left, top=top, right=right, bottom=bottom))

    with pytest.raises(InvalidInput) as refused:
        region_codec.read_shapes([message], field="options.shapes")

    assert refused.value.field == "options.shapes[0].box"


def test_a_mask_of_more_runs_than_the_limit_is_refused_before_it_is_read() -> None:
    counts = np.ones(LIMITS.mask_runs_per_image + 1, dtype=np.uint32)
    message = region_pb2.Shape(mask=region_pb2.Mask(height_px=1, width_px=1, counts=counts))

    with pytest.raises(InvalidInput) as refused:
        region_codec.read_shapes([message], field="shapes")

    assert refused.value.field == "shapes[0].mask.counts"


def test_a_polygon_of_two_corners_is_refused() -> None:
    message = region_pb2.Shape(polygon=region_pb2.Polygon(points=[region_pb2.Point(x=1, y=1)] * 2))

    with pytest.raises(InvalidInput, match="2 corners"):
        region_codec.read_shapes([message], field="shapes")


def test_an_empty_shape_is_refused() -> None:
    with pytest.raises(InvalidInput, match="names no box, polygon or mask"):
        region_codec.read_shapes([region_pb2.Shape()], field="shapes")


def test_more_regions_than_the_limit_are_refused() -> None:
    box = region_pb2.Shape(box=region_pb2.Box(right=1, bottom=1))

    with pytest.raises(InvalidInput, match=str(LIMITS.regions_per_image)):
        region_codec.read_shapes([box] * (LIMITS.regions_per_image + 1), field="shapes")


def test_an_attribute_that_is_not_a_number_is_refused() -> None:
    message = {"weight": exemplar_pb2.AttributeValue(number=float("nan"))}

    with pytest.raises(InvalidInput) as refused:
        exemplar_codec.read_attributes(message, field="attributes")

    assert refused.value.field == "attributes[weight]"


@pytest.mark.parametrize(
    "condition",
    [
        candidates_pb2.Condition(attribute="wing"),
        candidates_pb2.Condition(attribute="wing", one_of=candidates_pb2.AttributeSet()),
        candidates_pb2.Condition(attribute="wing", range=candidates_pb2.NumberRange()),
        candidates_pb2.Condition(attribute="wing", range=candidates_pb2.NumberRange(least=2, most=1)),
    ],
)
def test_a_condition_that_nothing_could_meet_is_refused(condition: candidates_pb2.Condition) -> None:
    with pytest.raises(InvalidInput, match=r"filter\[0\]"):
        candidates_codec.read_filter([condition], field="filter")


@pytest.mark.parametrize(
    "vote",
    [
        candidates_pb2.SpaceVote(space="visual", weight=1),
        candidates_pb2.SpaceVote(space="visual", weight=-1, temperature=1),
        candidates_pb2.SpaceVote(space="visual", weight=float("inf"), temperature=1),
        candidates_pb2.SpaceVote(weight=1, temperature=1),
    ],
)
def test_a_vote_without_a_meaning_is_refused(vote: candidates_pb2.SpaceVote) -> None:
    with pytest.raises(InvalidInput, match=r"votes\[0\]"):
        candidates_codec.read_votes([vote], field="votes")


def test_a_space_votes_once() -> None:
    vote = candidates_pb2.SpaceVote(space="visual", weight=1, temperature=1)

    with pytest.raises(InvalidInput, match="twice"):
        candidates_codec.read_votes([vote, vote], field="votes")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (envelope_pb2.RecognitionOptions(size=0), "options.size"),
        (envelope_pb2.RecognitionOptions(size=101), "options.size"),
        (envelope_pb2.RecognitionOptions(trust_threshold=1.5), "options.trust_threshold"),
        (envelope_pb2.RecognitionOptions(unknown_threshold=float("nan")), "options.unknown_threshold"),
        (envelope_pb2.RecognitionOptions(exclude_exemplar_ids=["a/b"]), "options.exclude_exemplar_ids[0]"),
        (
            envelope_pb2.RecognitionOptions(
                shapes=[region_pb2.Shape(box=region_pb2.Box(right=1, bottom=1))],
                prompts=[prompt_pb2.Prompt(name="bird")],
            ),
            "options.prompts",
        ),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(
    options: envelope_pb2.RecognitionOptions, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        recognition_codec.read_options(options)

    assert refused.value.field == field
