"""Filters, votes and candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fovea.kernel.v1 import candidates_pb2
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.rankings import Ancestor, Candidate, Candidates, Neighbour
from services.kernel.validation import checked_text
from services.kernel.vocabulary import Condition, SpaceVote
from services.runtime.codec.exemplar import read_kind, read_value, write_kind, write_value
from services.runtime.codec.region import read_box, write_box


def read_filter(messages: Sequence[candidates_pb2.Condition], *, field: str) -> tuple[Condition, ...]:
    """Read the conditions of a filter."""
    if len(messages) > LIMITS.conditions_per_filter:
        raise InvalidInput(
            f"{field} has {len(messages)} entries, at most {LIMITS.conditions_per_filter} are allowed",
            field=field,
            reason="TOO_MANY_CONDITIONS",
        )
    return tuple(_read_condition(message, field=f"{field}[{i}]") for i, message in enumerate(messages))


def _read_condition(message: candidates_pb2.Condition, *, field: str) -> Condition:
    attribute = checked_text(message.attribute, field=f"{field}.attribute", most=LIMITS.label_characters)
    test = message.WhichOneof("test")
    if test == "equals":
        return Condition(attribute, one_of=(read_value(message.equals, field=f"{field}.equals"),))
    if test == "one_of" and message.one_of.values:
        values = tuple(
            read_value(value, field=f"{field}.one_of.values[{i}]")
            for i, value in enumerate(message.one_of.values)
        )
        return Condition(attribute, one_of=values)
    if test == "range":
        least, most = _read_range(message.range, field=f"{field}.range")
        return Condition(attribute, least=least, most=most)
    raise InvalidInput(
        f"{field} needs `equals`, a `one_of` with values, or a `range`",
        field=field,
        reason="CONDITION_INVALID",
    )


def _read_range(message: candidates_pb2.NumberRange, *, field: str) -> tuple[float | None, float | None]:
    least = message.least if message.HasField("least") else None
    most = message.most if message.HasField("most") else None
    ends = [end for end in (least, most) if end is not None]
    if not ends or any(math.isnan(end) for end in ends) or ends != sorted(ends):
        raise InvalidInput(
            f"{field} needs `least`, `most` or both, in order and not NaN",
            field=field,
            reason="CONDITION_INVALID",
        )
    return least, most


def write_condition(condition: Condition) -> candidates_pb2.Condition:
    """Write one condition of a filter."""
    if condition.one_of:
        values = candidates_pb2.AttributeSet(values=map(write_value, condition.one_of))
        return candidates_pb2.Condition(attribute=condition.attribute, one_of=values)
    return candidates_pb2.Condition(
        attribute=condition.attribute,
        range=candidates_pb2.NumberRange(least=condition.least, most=condition.most),
    )


def read_votes(messages: Sequence[candidates_pb2.SpaceVote], *, field: str) -> tuple[SpaceVote, ...]:
    """Read how spaces vote: a weight of 0 or more, a positive temperature, each space once."""
    votes = tuple(_read_vote(message, field=f"{field}[{i}]") for i, message in enumerate(messages))
    if len({vote.space for vote in votes}) != len(votes):
        raise InvalidInput(f"{field} names a space twice", field=field, reason="VOTES_INVALID")
    return votes


def _read_vote(message: candidates_pb2.SpaceVote, *, field: str) -> SpaceVote:
    vote = SpaceVote(
        checked_text(message.space, field=f"{field}.space", most=LIMITS.name_characters),
        weight=message.weight,
        temperature=message.temperature,
        reference=message.reference,
    )
    if not (vote.temperature > 0 and vote.weight >= 0 and math.isfinite(vote.reference + vote.weight)):
        raise InvalidInput(
            f"{field} needs a finite weight of 0 or more, a positive temperature and a finite reference",
            field=field,
            reason="VOTES_INVALID",
        )
    return vote


def write_vote(vote: SpaceVote) -> candidates_pb2.SpaceVote:
    """Write how one space votes."""
    return candidates_pb2.SpaceVote(
        space=vote.space, weight=vote.weight, temperature=vote.temperature, reference=vote.reference
    )


def _read_neighbour(message: candidates_pb2.Neighbour) -> Neighbour:
    return Neighbour(
        exemplar_id=message.exemplar_id,
        kind=read_kind(message.kind),
        space=message.space,
        similarity=message.similarity,
        share=message.share,
        image_key=message.image_key,
        box=read_box(message.box, field="neighbour.box") if message.HasField("box") else None,
    )


def _write_neighbour(neighbour: Neighbour) -> candidates_pb2.Neighbour:
    return candidates_pb2.Neighbour(
        exemplar_id=neighbour.exemplar_id,
        kind=write_kind(neighbour.kind),
        space=neighbour.space,
        similarity=neighbour.similarity,
        share=neighbour.share,
        image_key=neighbour.image_key,
        box=None if neighbour.box is None else write_box(neighbour.box),
    )


def read_candidates(message: candidates_pb2.Candidates) -> Candidates:
    """Read the candidates of one region."""
    return Candidates(
        region_id=message.region_id,
        candidates=tuple(
            Candidate(
                each.label,
                each.score,
                tuple(map(_read_neighbour, each.neighbours)),
                tuple(Ancestor(above.label, above.score) for above in each.ancestors),
                tuple(each.descriptions),
            )
            for each in message.candidates
        ),
        margin=message.margin,
        entropy=message.entropy,
        unknown_score=message.unknown_score,
        votes=tuple(
            SpaceVote(vote.space, vote.weight, vote.temperature, vote.reference) for vote in message.votes
        ),
    )


def write_candidates(found: Candidates) -> candidates_pb2.Candidates:
    """Write the candidates of one region."""
    return candidates_pb2.Candidates(
        region_id=found.region_id,
        candidates=[
            candidates_pb2.Candidate(
                label=each.label,
                score=each.score,
                neighbours=map(_write_neighbour, each.neighbours),
                ancestors=[
                    candidates_pb2.Ancestor(label=above.label, score=above.score) for above in each.ancestors
                ],
                descriptions=each.descriptions,
            )
            for each in found.candidates
        ],
        margin=found.margin,
        entropy=found.entropy,
        unknown_score=found.unknown_score,
        votes=map(write_vote, found.votes),
    )
