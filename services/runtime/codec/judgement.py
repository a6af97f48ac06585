"""How models took part in rankings."""

from __future__ import annotations

from fovea.kernel.v1 import ranking_pb2
from services.kernel.judgements import Judged, Parsed, Reading, WeighedEvidence

_PARSED = {
    Parsed.READ: ranking_pb2.ANSWER_PARSING_READ,
    Parsed.OK: ranking_pb2.ANSWER_PARSING_OK,
    Parsed.REPAIRED: ranking_pb2.ANSWER_PARSING_REPAIRED,
    Parsed.FALLBACK: ranking_pb2.ANSWER_PARSING_FALLBACK,
}
_PARSED_READ = {message: value for value, message in _PARSED.items()}


def read_judgement(message: ranking_pb2.Judgement) -> Judged:
    """Read how a model took part."""
    return Judged(
        models=tuple(message.models),
        template=message.template,
        prompt_digest=message.prompt_digest,
        mode=message.mode,
        candidates=message.candidates,
        orders=message.orders,
        seed=message.seed,
        evidence=tuple(
            WeighedEvidence(each.source, each.weight, tuple(each.log_probabilities))
            for each in message.evidence
        ),
        readings=tuple(
            Reading(tuple(each.order), tuple(each.log_probabilities), each.text) for each in message.readings
        ),
        parsed=_PARSED_READ.get(message.parsing, Parsed.READ),
        tokens=message.tokens,
        cut=message.cut,
        duration_s=message.duration_s,
        cached=message.cached,
    )


def write_judgement(judged: Judged) -> ranking_pb2.Judgement:
    """Write how a model took part."""
    return ranking_pb2.Judgement(
        models=judged.models,
        template=judged.template,
        prompt_digest=judged.prompt_digest,
        mode=judged.mode,
        candidates=judged.candidates,
        orders=judged.orders,
        seed=judged.seed,
        evidence=[
            ranking_pb2.WeighedEvidence(
                source=each.source, weight=each.weight, log_probabilities=each.log_probabilities
            )
            for each in judged.evidence
        ],
        readings=[
            ranking_pb2.ModelReading(
                order=each.order, log_probabilities=each.log_probabilities, text=each.text
            )
            for each in judged.readings
        ],
        parsing=_PARSED[judged.parsed],
        tokens=judged.tokens,
        cut=judged.cut,
        duration_s=judged.duration_s,
        cached=judged.cached,
    )
