"""From neighbours to candidates: who may vote, how votes are pooled, and what the gates need to know."""

from __future__ import annotations

import base64
import binascii
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from services.kernel.errors import InvalidInput
from services.kernel.rankings import Candidate, Candidates, Neighbour
from services.kernel.vocabulary import AttributeValue, Condition, Exemplar, RegionOrigin, SpaceVote
from services.retrieval.domain.hierarchy import NO_PARENTS, Parents, ancestors

_LEAST, _MOST = -1e300, 1e300  # bounds of a logarithm, so that no difference of two is NaN
_FORMAT: Final = "1:"


@dataclass(frozen=True)
class Hit:
    """An exemplar and its cosine to a query, in [-1, 1]."""

    exemplar: Exemplar
    similarity: float


@dataclass(frozen=True)
class Scope:
    """Which exemplars may answer: all conditions hold, and the id is not excluded."""

    conditions: tuple[Condition, ...] = ()
    excluded: frozenset[str] = frozenset()

    @property
    def is_open(self) -> bool:
        """Whether it admits everything."""
        return not (self.conditions or self.excluded)

    def admits(self, exemplar: Exemplar) -> bool:
        """Return whether this exemplar may answer."""
        return exemplar.exemplar_id not in self.excluded and all(
            _holds(condition, exemplar.attributes) for condition in self.conditions
        )


def comparable(query: str, stored: str) -> bool:
    """Return whether vectors of two encoders (`name@digest`) that lie in one space may be compared.

    Different models that declare one space share it: a text tower, and the bridge from images into its
    space. One model with two digests was trained or exported again, and its old vectors mean nothing to it.
    """
    return query == stored or query.partition("@")[0] != stored.partition("@")[0]


def votes_in_force(shipped: Iterable[SpaceVote], asked: Iterable[SpaceVote]) -> tuple[SpaceVote, ...]:
    """Return how each space votes, in order of name: as asked, else as shipped."""
    by_space = {vote.space: vote for vote in (*shipped, *asked)}
    return tuple(by_space[space] for space in sorted(by_space))


def pool(  # noqa: PLR0913  (what decides how votes are pooled, by name)
    region_id: str,
    hits: Mapping[str, Sequence[Hit]],
    votes: Sequence[SpaceVote],
    *,
    size: int,
    per_label: int | None = None,
    parents: Parents = NO_PARENTS,
) -> Candidates:
    """Pool the neighbours of all spaces by label and keep the labels with the most votes.

    A neighbour has weight * exp((similarity - reference) / temperature) votes for its label, by its space;
    *unknown* has one vote. So two middling neighbours can outvote one good one, and one neighbour at the
    reference is as likely unknown as known. A space without a vote, or of weight 0, is silent.

    Args:
        region_id: Of the region that was searched for.
        hits: The neighbours found in each space, in any order.
        votes: How each space votes; recorded in the answer.
        size: Most candidates to return.
        per_label: How many neighbours may vote for one label, the strongest; None: all. With 1 a label counts
            as much as its best neighbour, so labels with many exemplars have no advantage.
        parents: What each label is a kind of.

    Returns:
        Candidates by falling score, then by label. Scores sum to 1 over all labels seen; margin and entropy
        (nats) are over all of them too, returned or not.
    """
    if size < 1:
        raise InvalidInput(f"size is {size}; it must be positive", field="options.size")
    cast = _cast(hits, votes)
    if per_label is not None:
        cast = _strongest(cast, per_label)
    if not cast:
        return Candidates(region_id, (), margin=0.0, entropy=0.0, unknown_score=1.0, votes=tuple(votes))
    log_votes = np.array([log_vote for _, _, log_vote in cast])
    scaled = np.exp(log_votes - log_votes.max())  # votes for labels, the greatest being 1
    log_all = float(np.logaddexp(0.0, log_votes.max() + math.log(scaled.sum())))  # with that of unknown
    ranked = _ranked([hit.exemplar.label for _, hit, _ in cast], scaled)
    kept = ranked[:size]
    above = ancestors(ranked, parents)
    evidence = _evidence(cast, np.exp(log_votes - log_all), {label for label, _ in kept})
    scores = [score for _, score in ranked]
    return Candidates(
        region_id,
        tuple(Candidate(label, score, evidence[label], above(label)) for label, score in kept),
        margin=scores[0] - (scores[1] if len(scores) > 1 else 0.0),
        entropy=-sum(score * math.log(score) for score in scores if score > 0) + 0.0,
        unknown_score=math.exp(-log_all),
        votes=tuple(votes),
    )


_Cast = tuple[str, Hit, float]


def _cast(hits: Mapping[str, Sequence[Hit]], votes: Sequence[SpaceVote]) -> list[_Cast]:
    """Return each vote's space, neighbour and logarithm, nearest first; the order never depends on luck."""
    cast = [
        (vote.space, hit, _log_vote(hit.similarity, vote))
        for vote in votes
        if vote.weight > 0
        for hit in hits.get(vote.space, ())
    ]
    return sorted(cast, key=lambda each: (-each[1].similarity, each[0], each[1].exemplar.exemplar_id))


def _strongest(cast: Sequence[_Cast], most: int) -> list[_Cast]:
    """Return the votes without those that are not among the strongest of their label; the order stays."""
    left: Counter[str] = Counter()
    kept: set[int] = set()
    for place in sorted(range(len(cast)), key=lambda place: -cast[place][2]):  # stable, so never by luck
        label = cast[place][1].exemplar.label
        left[label] += 1
        if left[label] <= most:
            kept.add(place)
    return [each for place, each in enumerate(cast) if place in kept]


def _log_vote(similarity: float, vote: SpaceVote) -> float:
    exponent = (similarity - vote.reference) / vote.temperature
    return min(max(math.log(vote.weight) + exponent, _LEAST), _MOST)


def _ranked(labels: Sequence[str], scaled: Float64[np.ndarray, "n"]) -> list[tuple[str, float]]:
    """Return each label and its share of the votes, by falling share, then by label."""
    by_label: defaultdict[str, float] = defaultdict(float)
    for label, vote in zip(labels, scaled.tolist(), strict=True):
        by_label[label] += vote
    total = math.fsum(by_label.values())
    return sorted(
        ((label, vote / total) for label, vote in by_label.items()), key=lambda each: (-each[1], each[0])
    )


def _evidence(
    cast: Sequence[_Cast], shares: Float64[np.ndarray, "n"], labels: AbstractSet[str]
) -> dict[str, tuple[Neighbour, ...]]:
    """Return the neighbours that voted for each of these labels, nearest first."""
    by_label: defaultdict[str, list[Neighbour]] = defaultdict(list)
    for (space, hit, _), share in zip(cast, shares.tolist(), strict=True):
        if hit.exemplar.label in labels:
            by_label[hit.exemplar.label].append(_neighbour(space, hit, share))
    return {label: tuple(neighbours) for label, neighbours in by_label.items()}


def _neighbour(space: str, hit: Hit, share: float) -> Neighbour:
    exemplar = hit.exemplar
    image_key = exemplar.image.key if exemplar.image else ""
    region = exemplar.region
    box = None if region is None or region.origin is RegionOrigin.WHOLE_IMAGE else region.box
    return Neighbour(exemplar.exemplar_id, exemplar.kind, space, hit.similarity, share, image_key, box)


def _holds(condition: Condition, attributes: Mapping[str, AttributeValue]) -> bool:
    value = attributes.get(condition.attribute)
    if value is None:
        return False
    if condition.one_of:
        return any(_same(value, wanted) for wanted in condition.one_of)
    return _is_number(value) and _within(float(value), condition)


def _same(value: AttributeValue, wanted: AttributeValue) -> bool:
    """Return whether two values are equal; a flag is no number, though Python holds True equal to 1."""
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted


def _is_number(value: AttributeValue) -> bool:
    return not isinstance(value, (bool, str))


def _within(number: float, condition: Condition) -> bool:
    least = -math.inf if condition.least is None else condition.least
    most = math.inf if condition.most is None else condition.most
    return least <= number <= most


def page_token(last_id: str) -> str:
    """Return the token of the page that begins after this exemplar, whatever is written meanwhile."""
    return base64.urlsafe_b64encode(f"{_FORMAT}{last_id}".encode()).decode().rstrip("=")


def id_of_token(token: str) -> str:
    """Return the id after which a page begins; empty for the first page. Raises InvalidInput."""
    if not token:
        return ""
    try:
        padded = token + "=" * (-len(token) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    if not text.startswith(_FORMAT):
        raise InvalidInput(
            "page_token is none that this service gave; begin with an empty one",
            field="page_token",
            reason="PAGE_FORMAT_INVALID",
        )
    return text.removeprefix(_FORMAT)
