"""Messages of ranking to values and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fovea.kernel.v1 import candidates_pb2, recognition_pb2, region_pb2
from fovea.ranking.v1 import events_pb2 as events
from fovea.ranking.v1 import ranking_pb2 as pb
from fovea.retrieval.v1 import events_pb2 as retrieval_events
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.rankings import Candidates
from services.kernel.vocabulary import ImageReference, RecognitionOptions, Region
from services.ranking.usecases import Ranked
from services.runtime.codec import candidates, recognition
from services.runtime.codec.region import read_image, read_regions


@dataclass(frozen=True)
class Asked:
    """What either door asks."""

    found: tuple[Candidates, ...]
    options: RecognitionOptions
    image: ImageReference | None
    regions: tuple[Region, ...]


def read_request(message: pb.RankRequest) -> Asked:
    """Read what the waiting door asks. Raises InvalidInput."""
    options = recognition.read_options(message.options)
    image = read_image(message.image) if message.HasField("image") else None
    found = _read_candidates(message.candidates, message.regions or message.candidates)
    return Asked(found, options, image, read_regions(message.regions, field="regions"))


def write_response(ranked: Ranked) -> pb.RankResponse:
    """Write the answer of the waiting door."""
    return pb.RankResponse(
        rankings=map(recognition.write_ranking, ranked.rankings),
        stage=recognition.write_stage(ranked.stage),
    )


def read_event(message: retrieval_events.CandidatesRetrieved) -> Asked:
    """Read what the streaming door asks. Raises InvalidInput."""
    envelope = recognition.read_envelope(message.envelope)
    image = envelope.image if message.envelope.HasField("image") else None
    found = _read_candidates(message.candidates, message.regions)
    return Asked(found, envelope.options, image, read_regions(message.regions, field="regions"))


def write_event(
    message: retrieval_events.CandidatesRetrieved, ranked: Ranked, *, ended_at_s: float
) -> events.RecognitionCompleted:
    """Write the record of the image; regions and candidates stay as they came."""
    parts = zip(message.regions, message.candidates, ranked.rankings, strict=True)
    record = recognition_pb2.Recognition(
        envelope=recognition.passed_on(message.envelope, ranked.stage),
        state=recognition_pb2.RECOGNITION_STATE_COMPLETED,
        regions=[
            recognition_pb2.RecognizedRegion(
                region=region, candidates=found, ranking=recognition.write_ranking(ranking)
            )
            for region, found, ranking in parts
        ],
        ended_at=recognition.write_time(ended_at_s),
    )
    return events.RecognitionCompleted(recognition=record)


def _read_candidates(
    messages: Sequence[candidates_pb2.Candidates],
    regions: Sequence[region_pb2.Region] | Sequence[candidates_pb2.Candidates],
) -> tuple[Candidates, ...]:
    if len(messages) > LIMITS.regions_per_image:
        raise InvalidInput(
            f"candidates has {len(messages)} entries, at most {LIMITS.regions_per_image} are allowed",
            field="candidates",
            reason="TOO_MANY_REGIONS",
        )
    if [each.region_id for each in messages] != [each.region_id for each in regions]:
        raise InvalidInput(
            "candidates belong to other regions than the request names, or come in another order",
            field="candidates",
            reason="REGIONS_MISMATCH",
        )
    return tuple(map(candidates.read_candidates, messages))
