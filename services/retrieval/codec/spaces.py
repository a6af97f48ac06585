"""Spaces of a collection, counted and compared."""

from __future__ import annotations

from typing import Any

from fovea.kernel.v1 import migration_pb2
from fovea.retrieval.v1 import retrieval_pb2 as pb
from services.kernel.vocabulary import SpaceVote
from services.retrieval.domain.spaces import ComparisonPolicy, InSpaces, PairedShare, SpaceReport
from services.retrieval.usecases import SpaceCounts
from services.runtime.codec.candidates import read_votes, write_vote


def read_in_spaces(message: pb.ExportExemplarsRequest) -> InSpaces:
    """Read which exemplars are wanted, by their spaces."""
    return InSpaces(frozenset(message.having), frozenset(message.lacking))


def write_counts(counts: SpaceCounts) -> pb.CountSpacesResponse:
    """Write how many exemplars are in which spaces."""
    return pb.CountSpacesResponse(
        counts=[
            pb.SpacesCount(spaces=sorted(spaces), exemplars=count)
            for spaces, count in sorted(counts.exemplars.items(), key=lambda each: sorted(each[0]))
        ],
        memory_version=counts.memory_version,
    )


def read_before(message: pb.CompareSpacesRequest) -> SpaceVote:
    """Read how the one space votes. Raises InvalidInput."""
    (vote,) = read_votes([message.before], field="before")
    return vote


def read_comparison(message: migration_pb2.ComparisonPolicy) -> ComparisonPolicy:
    """Read how spaces are compared; what is absent or 0 takes the default. Raises InvalidInput."""
    given: dict[str, Any] = {field.name: value for field, value in message.ListFields()}
    return ComparisonPolicy(**given)


def write_report(report: SpaceReport) -> migration_pb2.SpaceReport:
    """Write how two spaces answer."""
    return migration_pb2.SpaceReport(
        memory_version=report.memory_version,
        asked=report.accuracy.asked,
        labels=report.labels,
        accuracy=_write_share(report.accuracy),
        recall=_write_share(report.recall),
        candidates=report.policy.candidates,
        margin=report.policy.margin,
        vote=write_vote(report.vote),
        passes=report.passes,
    )


def _write_share(share: PairedShare) -> migration_pb2.PairedShare:
    least, most = share.interval
    return migration_pb2.PairedShare(
        before=share.before, after=share.after, difference=share.difference, least=least, most=most
    )
