"""What an audit of a memory says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from fovea.client.memory import Exemplar
from fovea.client.reading import read_exemplar
from fovea.kernel.v1 import audit_pb2 as pb

FindingKind = Literal["near_duplicate", "label_conflict", "suspect_label", "outlier", "unknown"]
_KINDS: Final[dict[int, FindingKind]] = {
    pb.AUDIT_FINDING_KIND_NEAR_DUPLICATE: "near_duplicate",
    pb.AUDIT_FINDING_KIND_LABEL_CONFLICT: "label_conflict",
    pb.AUDIT_FINDING_KIND_SUSPECT_LABEL: "suspect_label",
    pb.AUDIT_FINDING_KIND_OUTLIER: "outlier",
}


@dataclass(frozen=True)
class Finding:
    """One thing that a person should look at.

    Attributes:
        kind: `near_duplicate` and `label_conflict` are pairs that show the same, under one label or two;
            `suspect_label`: the neighbours agree on another label; `outlier`: it is unlike its own label.
        exemplar: Which.
        other: What it was compared with; None if nothing was near.
        similarity: Cosine of the two; of an outlier, to the nearest of its own label.
        suggested_label: What the neighbours say it is.
    """

    kind: FindingKind
    exemplar: Exemplar
    other: Exemplar | None
    similarity: float
    suggested_label: str = ""


@dataclass(frozen=True)
class Coverage:
    """How well one label is covered.

    Attributes:
        label: The class.
        images: Its exemplars by picture; `names` and `attributes` by text.
        names: See `images`.
        attributes: See `images`.
        asked: Exemplars that were asked for with themselves left out.
        found: Of them, how many have their label among the first 1, 5 and 10 candidates.
        confused_with: The labels that came first instead, and how often.
    """

    label: str
    images: int
    names: int
    attributes: int
    asked: int
    found: Mapping[int, int]
    confused_with: Mapping[str, int]


@dataclass(frozen=True)
class Audit:
    """What may be wrong with a memory.

    Attributes:
        memory_version: What was audited.
        exemplars: How many there are.
        labels: How many.
        asked: Exemplars that were asked for with themselves left out.
        found: Of them, how many have their label among the first 1, 5 and 10 candidates.
        thin_labels: Labels with fewer exemplars than they should have.
        findings: What a person should look at.
        coverage: Every label, the one that is found worst first.
    """

    memory_version: str
    exemplars: int
    labels: int
    asked: int
    found: Mapping[int, int]
    thin_labels: int
    findings: tuple[Finding, ...]
    coverage: tuple[Coverage, ...]

    def recall(self, candidates: int) -> float:
        """Return the share of exemplars whose label is among the first 1, 5 or 10 candidates."""
        return self.found[candidates] / self.asked if self.asked else 0.0


def read_finding(message: pb.AuditFinding) -> Finding:
    """Read one thing to look at."""
    return Finding(
        _KINDS.get(message.kind, "unknown"),
        read_exemplar(message.exemplar),
        read_exemplar(message.other) if message.HasField("other") else None,
        message.similarity,
        message.suggested_label,
    )


def read_coverage(message: pb.AuditCoverage) -> Coverage:
    """Read how well a label is covered."""
    return Coverage(
        message.label,
        message.images,
        message.names,
        message.attributes,
        message.asked,
        {each.candidates: each.found for each in message.recall},
        {each.label: each.times for each in message.confused_with},
    )


def read_audit(
    message: pb.AuditSummary, findings: tuple[Finding, ...], coverage: tuple[Coverage, ...]
) -> Audit:
    """Read the summary, and put it together with what came before."""
    return Audit(
        message.memory_version,
        message.exemplars,
        message.labels,
        message.asked,
        {each.candidates: each.found for each in message.recall},
        message.thin_labels,
        findings,
        coverage,
    )
