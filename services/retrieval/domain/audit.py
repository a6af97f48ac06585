"""What is wrong with a memory: doubles, contradictions, strangers, and classes with too little."""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from services.kernel.errors import InvalidInput
from services.kernel.vocabulary import Exemplar, ExemplarKind
from services.retrieval.domain.mining import rivals
from services.retrieval.domain.voting import Hit

RANKS = (1, 5, 10)
"""Recall is counted among so many candidates."""
_MAD_TO_SIGMA = 1.4826  # of a normal distribution


class FindingKind(enum.Enum):
    """What may be wrong with an exemplar."""

    NEAR_DUPLICATE = "near_duplicate"
    LABEL_CONFLICT = "label_conflict"
    SUSPECT_LABEL = "suspect_label"
    OUTLIER = "outlier"


@dataclass(frozen=True)
class AuditPolicy:
    """What counts as wrong. The cosines depend on the encoder; the defaults are for the shipped one.

    Args:
        space: Whose vectors are compared.
        duplicate: Cosine from which two exemplars show the same thing.
        neighbours: How many neighbours say what label an exemplar should have.
        agreement: Share of them that must agree on another label, none saying the exemplar's own.
        deviations: An outlier is so many robust standard deviations less like its own class than usual.
        least: Exemplars that a label should have.
    """

    space: str
    duplicate: float = 0.98
    neighbours: int = 10
    agreement: float = 0.6
    deviations: float = 3.5
    least: int = 3

    def __post_init__(self) -> None:
        wrong = {
            "duplicate": not 0 < self.duplicate <= 1,
            "neighbours": not 1 <= self.neighbours <= 100,  # noqa: PLR2004  (what one search asks at most)
            "agreement": not 0 < self.agreement <= 1,
            "deviations": not self.deviations > 0,
            "least": self.least < 1,
        }
        for name in (name for name, is_wrong in wrong.items() if is_wrong):
            raise InvalidInput(f"{name} is {getattr(self, name)}, which is out of range", field=name)


@dataclass(frozen=True)
class Finding:
    """One thing that a person should look at.

    Args:
        kind: What may be wrong.
        exemplar: With which exemplar.
        other: The exemplar that it was compared with, if there is one.
        similarity: Cosine of the two, or to the nearest of its own label.
        suggested_label: What the neighbours say it is, of a suspect label.
    """

    kind: FindingKind
    exemplar: Exemplar
    other: Exemplar | None
    similarity: float
    suggested_label: str = ""


@dataclass
class LabelCoverage:
    """How well one label is covered. Recall counts its exemplars that the others, without them, find.

    Args:
        label: Which.
        exemplars: How many there are of each kind.
        asked: Exemplars in the audited space.
        found: Of them, those whose label is among the first candidates, for each of `RANKS`.
        confused_with: How often another label came first.
    """

    label: str
    exemplars: Counter[ExemplarKind] = field(default_factory=Counter)
    asked: int = 0
    found: Counter[int] = field(default_factory=Counter)
    confused_with: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Summary:
    """The whole memory in a few numbers; `found` counts, of `asked`, those found among so many candidates."""

    memory_version: str
    exemplars: int
    labels: int
    asked: int
    found: Mapping[int, int]
    findings: Counter[FindingKind]
    thin_labels: int


class Audit:
    """Takes exemplars with their neighbours one by one, and says what may be wrong with them.

    It keeps a few numbers of each exemplar, not its vectors.
    """

    def __init__(self, policy: AuditPolicy) -> None:
        self._policy = policy
        self._coverage: defaultdict[str, LabelCoverage] = defaultdict(lambda: LabelCoverage(""))
        self._own: list[tuple[Exemplar, Hit | None]] = []
        self._count = 0
        self._findings: Counter[FindingKind] = Counter()

    def count(self, exemplar: Exemplar) -> None:
        """Count an exemplar of whatever kind."""
        self._count += 1
        self._of(exemplar.label).exemplars[exemplar.kind] += 1

    def look_at(self, exemplar: Exemplar, hits: Sequence[Hit]) -> Iterator[Finding]:
        """Yield what its neighbours say against an exemplar.

        Args:
            exemplar: Of the audited space.
            hits: Its neighbours without itself, nearest first; enough of them for every rank.
        """
        own = next((hit for hit in hits if hit.exemplar.label == exemplar.label), None)
        self._own.append((exemplar, own))
        self._rank(exemplar, hits)
        for finding in (*self._doubles(exemplar, hits), *self._suspect(exemplar, hits)):
            yield self._counted(finding)

    def outliers(self) -> Iterator[Finding]:
        """Yield the exemplars that are unlike their class, measured by how alike the others are.

        A label's only exemplar has nothing to be unlike.
        """
        alike = np.array([own.similarity for _, own in self._own if own is not None])
        if len(alike) == 0:
            return
        floor = _floor(alike, self._policy.deviations)
        for exemplar, own in self._own:
            if self._coverage[exemplar.label].asked < 2:  # noqa: PLR2004  (one has no company)
                continue
            if own is None or own.similarity < floor:
                other, similarity = (own.exemplar, own.similarity) if own else (None, 0.0)
                yield self._counted(Finding(FindingKind.OUTLIER, exemplar, other, similarity))

    def coverage(self) -> Sequence[LabelCoverage]:
        """Return the labels, the ones that are found worst first."""
        return sorted(self._coverage.values(), key=lambda each: (_recall(each), each.label))

    def summary(self, memory_version: str) -> Summary:
        """Return the numbers of the whole; call it last."""
        return Summary(
            memory_version,
            exemplars=self._count,
            labels=len(self._coverage),
            asked=sum(each.asked for each in self._coverage.values()),
            found={rank: sum(each.found[rank] for each in self._coverage.values()) for rank in RANKS},
            findings=self._findings,
            thin_labels=sum(each.exemplars.total() < self._policy.least for each in self._coverage.values()),
        )

    def _of(self, label: str) -> LabelCoverage:
        coverage = self._coverage[label]
        coverage.label = label
        return coverage

    def _counted(self, finding: Finding) -> Finding:
        self._findings[finding.kind] += 1
        return finding

    def _rank(self, exemplar: Exemplar, hits: Sequence[Hit]) -> None:
        labels = list(dict.fromkeys(hit.exemplar.label for hit in hits))
        coverage = self._of(exemplar.label)
        coverage.asked += 1
        coverage.found.update({rank: int(exemplar.label in labels[:rank]) for rank in RANKS})
        if labels and labels[0] != exemplar.label:
            coverage.confused_with[labels[0]] += 1

    def _doubles(self, exemplar: Exemplar, hits: Sequence[Hit]) -> Iterable[Finding]:
        """Say what is the same as this exemplar; each pair is told once, by the one whose id comes first."""
        for hit in hits:
            if hit.similarity < self._policy.duplicate:
                return
            if exemplar.exemplar_id < hit.exemplar.exemplar_id:
                same = exemplar.label == hit.exemplar.label
                kind = FindingKind.NEAR_DUPLICATE if same else FindingKind.LABEL_CONFLICT
                yield Finding(kind, exemplar, hit.exemplar, hit.similarity)

    def _suspect(self, exemplar: Exemplar, hits: Sequence[Hit]) -> Iterable[Finding]:
        """Say so if enough neighbours agree on another label and none is of its own."""
        nearest = hits[: self._policy.neighbours]
        counts = Counter(hit.exemplar.label for hit in nearest)
        if not counts or exemplar.label in counts:
            return
        label, votes = counts.most_common(1)[0]
        if votes >= self._policy.agreement * self._policy.neighbours:
            (first, *_) = (hit for hit in rivals(exemplar, nearest) if hit.exemplar.label == label)
            yield Finding(FindingKind.SUSPECT_LABEL, exemplar, first.exemplar, first.similarity, label)


def _floor(alike: Float64[np.ndarray, "n"], deviations: float) -> float:
    """Return the cosine below which an exemplar is an outlier, by median and median absolute deviation.

    They are taken of the angles, since cosines crowd near 1.
    """
    angles = np.arccos(np.clip(alike, -1.0, 1.0))  # (n,), radians
    middle = float(np.median(angles))
    spread = _MAD_TO_SIGMA * float(np.median(np.abs(angles - middle)))
    return float(np.cos(min(middle + deviations * spread, np.pi)))


def _recall(coverage: LabelCoverage) -> float:
    return coverage.found[RANKS[0]] / coverage.asked if coverage.asked else 1.0
