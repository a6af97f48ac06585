"""Hard negatives and audits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fovea.kernel.v1 import audit_pb2
from fovea.retrieval.v1 import retrieval_pb2 as pb
from services.kernel.vocabulary import ExemplarKind
from services.retrieval.domain.audit import (
    AuditPolicy,
    Finding,
    FindingKind,
    LabelCoverage,
    Summary,
)
from services.retrieval.domain.mining import Mined, MiningPolicy
from services.runtime.codec.exemplar import write_exemplar

_SPACE: Final = "visual"
_COUNT: Final = 3
_CONFUSIONS: Final = 5
_KINDS: Final = {
    FindingKind.NEAR_DUPLICATE: audit_pb2.AUDIT_FINDING_KIND_NEAR_DUPLICATE,
    FindingKind.LABEL_CONFLICT: audit_pb2.AUDIT_FINDING_KIND_LABEL_CONFLICT,
    FindingKind.SUSPECT_LABEL: audit_pb2.AUDIT_FINDING_KIND_SUSPECT_LABEL,
    FindingKind.OUTLIER: audit_pb2.AUDIT_FINDING_KIND_OUTLIER,
}


def read_mining_policy(message: pb.MineNegativesRequest) -> MiningPolicy:
    """Read how hard negatives are chosen. Raises InvalidInput."""
    count = message.count or _COUNT
    given = {"below": message.below} if message.HasField("below") else {}
    return MiningPolicy(
        message.space or _SPACE, count=count, among=message.among or count, seed=message.seed, **given
    )


def write_mined(mined: Mined) -> pb.MineNegativesResponse:
    """Write an exemplar's hard negatives."""
    return pb.MineNegativesResponse(
        exemplar_id=mined.exemplar.exemplar_id,
        label=mined.exemplar.label,
        negatives=[
            pb.Negative(
                exemplar_id=hit.exemplar.exemplar_id, label=hit.exemplar.label, similarity=hit.similarity
            )
            for hit in mined.negatives
        ],
    )


def read_audit_policy(message: audit_pb2.AuditPolicy) -> AuditPolicy:
    """Read what counts as wrong; what is absent takes the default. Raises InvalidInput."""
    given: dict[str, Any] = {field.name: value for field, value in message.ListFields()}
    return AuditPolicy(**{"space": _SPACE, **given})


def write_audit_entry(entry: Finding | LabelCoverage | Summary) -> audit_pb2.AuditEntry:
    """Write one line of an audit."""
    if isinstance(entry, Finding):
        return audit_pb2.AuditEntry(finding=_write_finding(entry))
    if isinstance(entry, LabelCoverage):
        return audit_pb2.AuditEntry(coverage=_write_coverage(entry))
    return audit_pb2.AuditEntry(summary=_write_summary(entry))


def _write_finding(finding: Finding) -> audit_pb2.AuditFinding:
    return audit_pb2.AuditFinding(
        kind=_KINDS[finding.kind],
        exemplar=write_exemplar(finding.exemplar),
        other=None if finding.other is None else write_exemplar(finding.other),
        similarity=finding.similarity,
        suggested_label=finding.suggested_label,
    )


def _write_coverage(coverage: LabelCoverage) -> audit_pb2.AuditCoverage:
    return audit_pb2.AuditCoverage(
        label=coverage.label,
        images=coverage.exemplars[ExemplarKind.IMAGE],
        names=coverage.exemplars[ExemplarKind.NAME],
        attributes=coverage.exemplars[ExemplarKind.ATTRIBUTE],
        asked=coverage.asked,
        recall=_write_recall(coverage.found),
        confused_with=[
            audit_pb2.Confusion(label=label, times=times)
            for label, times in coverage.confused_with.most_common(_CONFUSIONS)
        ],
    )


def _write_summary(summary: Summary) -> audit_pb2.AuditSummary:
    return audit_pb2.AuditSummary(
        memory_version=summary.memory_version,
        exemplars=summary.exemplars,
        labels=summary.labels,
        asked=summary.asked,
        recall=_write_recall(summary.found),
        near_duplicates=summary.findings[FindingKind.NEAR_DUPLICATE],
        label_conflicts=summary.findings[FindingKind.LABEL_CONFLICT],
        suspect_labels=summary.findings[FindingKind.SUSPECT_LABEL],
        outliers=summary.findings[FindingKind.OUTLIER],
        thin_labels=summary.thin_labels,
    )


def _write_recall(found: Mapping[int, int]) -> list[audit_pb2.RecallCount]:
    return [audit_pb2.RecallCount(candidates=rank, found=count) for rank, count in found.items()]
