"""Rankings, options, stages, envelopes and failures."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from fovea.kernel.v1 import envelope_pb2, ranking_pb2
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.rankings import BroaderLabel, Gate, RankedLabel, Ranking, RankingStatus
from services.kernel.validation import checked_collection, checked_id, checked_share
from services.kernel.vocabulary import CollectionKey, Envelope, RecognitionOptions, Stage
from services.runtime.codec.candidates import read_filter, read_votes, write_condition, write_vote
from services.runtime.codec.judgement import read_judgement, write_judgement
from services.runtime.codec.prompt import read_find, read_prompts, write_find, write_prompt
from services.runtime.codec.region import read_image, read_shapes, write_image, write_shape

_STATUSES = {
    RankingStatus.RANKED: ranking_pb2.RANKING_STATUS_RANKED,
    RankingStatus.TRUSTED_RETRIEVAL: ranking_pb2.RANKING_STATUS_TRUSTED_RETRIEVAL,
    RankingStatus.DEGRADED: ranking_pb2.RANKING_STATUS_DEGRADED,
    RankingStatus.UNKNOWN: ranking_pb2.RANKING_STATUS_UNKNOWN,
}
_STATUSES_READ = {message: value for value, message in _STATUSES.items()}
_NANOS = 1_000_000_000


def read_time(message: Timestamp) -> float:
    """Read a time, in seconds since the epoch."""
    return message.seconds + message.nanos / _NANOS


def write_time(time_s: float) -> Timestamp:
    """Write a time given in seconds since the epoch."""
    whole = int(time_s)  # apart, or the product would lose the last hundreds of nanoseconds
    nanos = whole * _NANOS + round((time_s - whole) * _NANOS)
    return Timestamp(seconds=nanos // _NANOS, nanos=nanos % _NANOS)


def read_collection(message: envelope_pb2.CollectionKey) -> CollectionKey:
    """Read a collection's key, `default` standing for an empty part."""
    return checked_collection(CollectionKey(message.tenant, message.collection))


def write_collection(key: CollectionKey) -> envelope_pb2.CollectionKey:
    """Write a collection's key."""
    return envelope_pb2.CollectionKey(tenant=key.tenant, collection=key.collection)


def read_options(message: envelope_pb2.RecognitionOptions, *, field: str = "options") -> RecognitionOptions:
    """Read what a caller asks of a recognition."""
    options = RecognitionOptions(
        size=_read_size(message, field=field),
        shapes=read_shapes(message.shapes, field=f"{field}.shapes"),
        prompts=read_prompts(message.prompts, field=f"{field}.prompts"),
        filter=read_filter(message.filter, field=f"{field}.filter"),
        exclude_exemplar_ids=_read_excluded(message, field=f"{field}.exclude_exemplar_ids"),
        votes=read_votes(message.votes, field=f"{field}.votes"),
        trust_threshold=_read_share(message, "trust_threshold", field=field),
        unknown_threshold=_read_share(message, "unknown_threshold", field=field),
        level_threshold=_read_share(message, "level_threshold", field=field),
        neighbours_per_label=_read_neighbours(message, field=f"{field}.neighbours_per_label"),
        min_memory_version=message.min_memory_version,
        find=read_find(message.find, field=f"{field}.find"),
        calibrated_gates=tuple(message.calibrated_gates),
    )
    if options.shapes and options.prompts:
        raise InvalidInput(
            f"{field} names both shapes and prompts; send one of the two",
            field=f"{field}.prompts",
            reason="SHAPES_AND_PROMPTS",
        )
    return options


def _read_size(message: envelope_pb2.RecognitionOptions, *, field: str) -> int | None:
    if not message.HasField("size"):
        return None
    if not 1 <= message.size <= LIMITS.labels_per_region:
        raise InvalidInput(
            f"{field}.size is {message.size}; 1 to {LIMITS.labels_per_region} are allowed",
            field=f"{field}.size",
            reason="SIZE_OUT_OF_RANGE",
        )
    return message.size


def _read_neighbours(message: envelope_pb2.RecognitionOptions, *, field: str) -> int | None:
    if not message.HasField("neighbours_per_label"):
        return None
    if message.neighbours_per_label < 1:
        raise InvalidInput(f"{field} is 0; at least 1 must vote", field=field, reason="OUT_OF_RANGE")
    return message.neighbours_per_label


def _read_excluded(message: envelope_pb2.RecognitionOptions, *, field: str) -> tuple[str, ...]:
    excluded = message.exclude_exemplar_ids
    if len(excluded) > LIMITS.excluded_exemplars:
        raise InvalidInput(
            f"{field} has {len(excluded)} entries, at most {LIMITS.excluded_exemplars} are allowed",
            field=field,
            reason="TOO_MANY_EXCLUDED",
        )
    return tuple(checked_id(each, field=f"{field}[{i}]") for i, each in enumerate(excluded))


def _read_share(message: envelope_pb2.RecognitionOptions, name: str, *, field: str) -> float | None:
    if not message.HasField(name):  # type: ignore[arg-type]  # one of the threshold fields
        return None
    return checked_share(getattr(message, name), field=f"{field}.{name}")


def write_options(options: RecognitionOptions) -> envelope_pb2.RecognitionOptions:
    """Write what a caller asks of a recognition."""
    return envelope_pb2.RecognitionOptions(
        size=options.size,
        shapes=map(write_shape, options.shapes),
        prompts=map(write_prompt, options.prompts),
        filter=map(write_condition, options.filter),
        exclude_exemplar_ids=options.exclude_exemplar_ids,
        votes=map(write_vote, options.votes),
        trust_threshold=options.trust_threshold,
        unknown_threshold=options.unknown_threshold,
        level_threshold=options.level_threshold,
        neighbours_per_label=options.neighbours_per_label,
        min_memory_version=options.min_memory_version,
        find=write_find(options.find),
        calibrated_gates=options.calibrated_gates,
    )


def read_stage(message: envelope_pb2.Stage) -> Stage:
    """Read what one step did."""
    return Stage(
        name=message.name,
        version=message.version,
        models=tuple(message.models),
        memory_version=message.memory_version,
        duration_s=message.duration_s,
        rungs=tuple(message.rungs),
        reading=message.reading,
    )


def write_stage(stage: Stage) -> envelope_pb2.Stage:
    """Write what one step did."""
    return envelope_pb2.Stage(
        name=stage.name,
        version=stage.version,
        models=stage.models,
        memory_version=stage.memory_version,
        duration_s=stage.duration_s,
        rungs=stage.rungs,
        reading=stage.reading,
    )


def read_envelope(message: envelope_pb2.Envelope) -> Envelope:
    """Read what travels with every event of a recognition."""
    return Envelope(
        collection=read_collection(message.collection),
        recognition_id=checked_id(message.recognition_id, field="envelope.recognition_id"),
        image=read_image(message.image),
        options=read_options(message.options, field="envelope.options"),
        submission_id=message.submission_id,
        stages=tuple(map(read_stage, message.stages)),
        accepted_at_s=read_time(message.accepted_at),
        trace_id=message.trace_id,
    )


def write_envelope(envelope: Envelope) -> envelope_pb2.Envelope:
    """Write what travels with every event of a recognition."""
    return envelope_pb2.Envelope(
        collection=write_collection(envelope.collection),
        recognition_id=envelope.recognition_id,
        image=write_image(envelope.image),
        options=write_options(envelope.options),
        submission_id=envelope.submission_id,
        stages=map(write_stage, envelope.stages),
        accepted_at=write_time(envelope.accepted_at_s),
        trace_id=envelope.trace_id,
    )


def passed_on(message: envelope_pb2.Envelope, stage: Stage) -> envelope_pb2.Envelope:
    """Return the envelope for the next event: as it came, with the step that was just taken.

    What a newer release has put into it goes along, though this one does not know what it means.
    """
    following = envelope_pb2.Envelope()
    following.CopyFrom(message)
    following.collection.MergeFrom(write_collection(read_collection(message.collection)))
    following.stages.append(write_stage(stage))
    return following


def read_ranking(message: ranking_pb2.Ranking) -> Ranking:
    """Read the ranking of one region."""
    return Ranking(
        region_id=message.region_id,
        labels=tuple(RankedLabel(each.label, each.probability) for each in message.labels),
        probability_unknown=message.probability_unknown,
        status=_STATUSES_READ.get(message.status, RankingStatus.DEGRADED),
        rung=message.rung,
        gates=tuple(
            Gate(each.name, each.value, each.threshold, is_open=each.open, calibrated=each.calibrated)
            for each in message.gates
        ),
        broader=_read_broader(message.broader) if message.HasField("broader") else None,
        judged=read_judgement(message.judgement) if message.HasField("judgement") else None,
    )


def _read_broader(message: ranking_pb2.BroaderLabel) -> BroaderLabel:
    return BroaderLabel(message.label, message.probability, message.steps)


def write_ranking(ranking: Ranking) -> ranking_pb2.Ranking:
    """Write the ranking of one region."""
    return ranking_pb2.Ranking(
        region_id=ranking.region_id,
        labels=[
            ranking_pb2.RankedLabel(label=each.label, probability=each.probability) for each in ranking.labels
        ],
        probability_unknown=ranking.probability_unknown,
        status=_STATUSES[ranking.status],
        rung=ranking.rung,
        gates=[
            ranking_pb2.Gate(
                name=gate.name,
                value=gate.value,
                threshold=gate.threshold,
                open=gate.is_open,
                calibrated=gate.calibrated,
            )
            for gate in ranking.gates
        ],
        broader=_write_broader(ranking.broader),
        judgement=None if ranking.judged is None else write_judgement(ranking.judged),
    )


def _write_broader(broader: BroaderLabel | None) -> ranking_pb2.BroaderLabel | None:
    return None if broader is None else ranking_pb2.BroaderLabel(**broader._asdict())
