"""Recognition records for tests."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable

from fovea.gateway.v1 import gateway_pb2
from fovea.kernel.v1 import (
    candidates_pb2,
    envelope_pb2,
    exemplar_pb2,
    image_pb2,
    ranking_pb2,
    recognition_pb2,
    region_pb2,
)


def a_record(task: gateway_pb2.RecognitionTask, *, submission_id: str = "") -> recognition_pb2.Recognition:
    """Return the record of a picture that is a text: the text is the best label.

    `goldfinch < finch` is a goldfinch that is answered as a finch, and `goldfinch, ranked` one that a model
    ordered. Every prompt finds something, but for one
    that is `missing`.
    """
    label, _, above = task.image.decode().partition(" < ")
    places = _found(task.options) if task.options.prompts else _asked(task.options.shapes)
    record = recognition_pb2.Recognition(
        state=recognition_pb2.RECOGNITION_STATE_COMPLETED,
        envelope=envelope_pb2.Envelope(
            collection=task.collection,
            recognition_id=task.recognition_id,
            submission_id=submission_id,
            options=task.options,
            image=image_pb2.ImageReference(
                digest=hashlib.sha256(task.image).hexdigest(), media_type="image/png", size_bytes=1
            ),
            stages=[envelope_pb2.Stage(name="ranking", version="0.1.0", models=["m@1"], duration_s=0.5)],
        ),
        regions=[_region(place, label, above) for place in places],
    )
    record.envelope.accepted_at.FromSeconds(1_700_000_000)
    record.ended_at.FromSeconds(1_700_000_001)
    return record


def _asked(shapes: Iterable[region_pb2.Shape]) -> list[region_pb2.Region]:
    boxes = [shape.box for shape in shapes] or [region_pb2.Box(right=4, bottom=3)]
    return [
        region_pb2.Region(region_id=str(i), box=box, origin=region_pb2.REGION_ORIGIN_CALLER)
        for i, box in enumerate(boxes)
    ]


def _found(options: envelope_pb2.RecognitionOptions) -> list[region_pb2.Region]:
    as_polygons = options.find.mask_format == region_pb2.MASK_FORMAT_POLYGONS
    corners = [region_pb2.Point(x=x, y=y) for x, y in ((2, 0), (4, 0), (4, 3), (2, 3))]
    return [
        region_pb2.Region(
            region_id=str(i),
            box=region_pb2.Box(left=i, right=i + 2, bottom=3),
            origin=region_pb2.REGION_ORIGIN_PROMPT,
            mask=None if as_polygons else region_pb2.Mask(height_px=3, width_px=4, counts=[0, 6, 6]),
            polygons=[region_pb2.Polygon(points=corners)] if as_polygons else [],
            found_by=region_pb2.FoundBy(prompt=i, score=0.9 - i / 8, threshold=0.3),
        )
        for i, prompt in enumerate(options.prompts)
        if prompt.name != "missing"
    ]


def _judgement() -> ranking_pb2.Judgement:
    said = {"retrieval": (1.3, (0.7, 0.3)), "pairs": (0.6, (0.9, 0.1))}
    return ranking_pb2.Judgement(
        models=["m@1"],
        mode="pictures",
        candidates=2,
        orders=1,
        evidence=[
            ranking_pb2.WeighedEvidence(
                source=source, weight=weight, log_probabilities=[math.log(share) for share in shares]
            )
            for source, (weight, shares) in said.items()
        ],
        readings=[ranking_pb2.ModelReading(order=[0, 1], log_probabilities=[-0.1, -2.3])],
        parsing=ranking_pb2.ANSWER_PARSING_READ,
        duration_s=0.09,
    )


def _region(region: region_pb2.Region, label: str, above: str) -> recognition_pb2.RecognizedRegion:
    label, _, ranked = label.partition(", ")
    unknown = label == "unknown"
    neighbour = candidates_pb2.Neighbour(
        exemplar_id="e1",
        kind=exemplar_pb2.EXEMPLAR_KIND_IMAGE,
        space="visual",
        similarity=0.8,
        share=0.6,
        image_key="k",
        box=region_pb2.Box(left=1, top=2, right=3, bottom=4),
    )
    status = ranking_pb2.RANKING_STATUS_UNKNOWN if unknown else ranking_pb2.RANKING_STATUS_DEGRADED
    status = ranking_pb2.RANKING_STATUS_RANKED if ranked else status
    return recognition_pb2.RecognizedRegion(
        region=region,
        ranking=ranking_pb2.Ranking(
            region_id=region.region_id,
            labels=[
                ranking_pb2.RankedLabel(label=label, probability=0.7),
                ranking_pb2.RankedLabel(label="other", probability=0.2),
            ],
            probability_unknown=0.1,
            status=status,
            rung="" if unknown or ranked else "no_ranker",
            judgement=_judgement() if ranked else None,
            gates=[ranking_pb2.Gate(name="trust", value=0.5, threshold=0.6)],
            broader=ranking_pb2.BroaderLabel(label=above, probability=0.85, steps=1) if above else None,
        ),
        candidates=candidates_pb2.Candidates(
            region_id=region.region_id,
            candidates=[
                candidates_pb2.Candidate(
                    label=label,
                    score=0.7,
                    neighbours=[neighbour],
                    ancestors=[candidates_pb2.Ancestor(label=above, score=0.95)] if above else [],
                    descriptions=["red face"],
                ),
                candidates_pb2.Candidate(label="other", score=0.3),
            ],
            margin=0.4,
            entropy=0.6,
            unknown_score=0.1,
        ),
    )
