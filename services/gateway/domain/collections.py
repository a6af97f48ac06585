"""Collections and how long they keep their images."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.gateway.domain.calibration import Calibration
from services.gateway.domain.hierarchy import LabelParent, check_hierarchy
from services.gateway.domain.migration import Migration, kept_spaces, votes_in_force
from services.kernel.errors import InvalidInput, NotFound
from services.kernel.limits import LIMITS
from services.kernel.validation import checked_text
from services.kernel.vocabulary import NAME_SPACE, CollectionKey, SpaceVote

DEFAULT_COLLECTION = CollectionKey("default", "default")
DAY_S = 86_400.0
MOST_DAYS = 36_500


class RetentionPolicy(enum.Enum):
    """How long the images of a collection are kept."""

    KEEP = "keep"
    DAYS = "days"
    NONE = "none"


@dataclass(frozen=True)
class Retention:
    """A policy; `days` counts with DAYS only."""

    policy: RetentionPolicy = RetentionPolicy.KEEP
    days: int = 0


@dataclass(frozen=True)
class Collection:
    """One tenant's memory for one task: its settings. None and missing votes take the shipped values.

    A threshold that somebody set wins over one of the calibration, and that over the shipped one.
    """

    key: CollectionKey
    description: str = ""
    retention: Retention = field(default_factory=Retention)
    votes: tuple[SpaceVote, ...] = ()
    trust_threshold: float | None = None
    unknown_threshold: float | None = None
    level_threshold: float | None = None
    neighbours_per_label: int | None = None
    hierarchy: tuple[LabelParent, ...] = ()
    migrations: tuple[Migration, ...] = ()
    calibration: Calibration | None = None


def checked_collection_settings(collection: Collection) -> Collection:
    """Return the collection with a trimmed description. Raises InvalidInput."""
    retention = collection.retention
    if retention.policy is RetentionPolicy.DAYS and not 1 <= retention.days <= MOST_DAYS:
        raise InvalidInput(
            f"collection.image_retention.days is {retention.days}; 1 to {MOST_DAYS} are allowed",
            field="collection.image_retention.days",
            reason="RETENTION_INVALID",
        )
    if retention.policy is not RetentionPolicy.DAYS and retention.days:
        raise InvalidInput(
            f"collection.image_retention.days is {retention.days}, but counts with the policy DAYS only",
            field="collection.image_retention.days",
            reason="RETENTION_INVALID",
        )
    if collection.description:
        checked_text(collection.description, field="collection.description", most=LIMITS.text_characters)
    check_hierarchy(collection.hierarchy)
    return collection


def spaces_of(collection: Collection, shipped: Iterable[SpaceVote]) -> tuple[str, ...]:
    """Return the spaces that the collection's exemplars are kept in, given how spaces vote by themselves."""
    votes = {vote.space: vote for vote in (*shipped, *collection.votes)}
    return kept_spaces(votes.values(), collection.migrations)


def answering_space(collection: Collection, shipped: Iterable[SpaceVote]) -> str:
    """Return the space of looks whose votes weigh most; empty if none votes."""
    said = {vote.space: vote for vote in (*shipped, *collection.votes)}
    votes = votes_in_force(said.values(), collection.migrations)
    looks = [vote for vote in votes if vote.weight > 0 and vote.space != NAME_SPACE]
    return max(looks, key=lambda vote: vote.weight).space if looks else ""


def unknown_collection(key: CollectionKey) -> NotFound:
    """Return the error that names the collection and what makes one."""
    return NotFound(
        f"there is no collection {key}; "
        f"`fovea collections create {key.collection} --tenant {key.tenant}` makes one",
        field="collection",
        reason="COLLECTION_UNKNOWN",
    )
