"""The way of a collection from one encoder of pictures to another; each has a space of its own."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from services.kernel.vocabulary import Embedding, SpaceVote, voting_spaces


class MigrationState(enum.Enum):
    """How far a migration is."""

    SIDE_BY_SIDE = "side_by_side"
    CUT_OVER = "cut_over"
    FINISHED = "finished"
    ABANDONED = "abandoned"


@dataclass(frozen=True)
class Report:
    """Whether another space answers as well as the one that answers now.

    Attributes:
        passes: It does, by what was asked of it.
        vote: How it should vote.
        said: The figures in words.
        message: All of it, as retrieval gave it; passed on unread.
    """

    passes: bool
    vote: SpaceVote
    said: str
    message: object


@dataclass(frozen=True)
class Migration:
    """One migration; `vote` and `report` are those that it was cut over with."""

    from_space: str
    to_space: str
    state: MigrationState = MigrationState.SIDE_BY_SIDE
    vote: SpaceVote | None = None
    report: object = None
    overridden: bool = False

    @property
    def is_open(self) -> bool:
        """Whether exemplars get embeddings of both."""
        return self.state in {MigrationState.SIDE_BY_SIDE, MigrationState.CUT_OVER}

    @property
    def is_cut_over(self) -> bool:
        """Whether the new space answers."""
        return self.state in {MigrationState.CUT_OVER, MigrationState.FINISHED}


def votes_in_force(votes: Iterable[SpaceVote], migrations: Iterable[Migration]) -> tuple[SpaceVote, ...]:
    """Return how spaces vote when of each migration one space answers, and the other is silent."""
    by_space = {vote.space: vote for vote in votes}
    for each in migrations:
        if each.is_cut_over and each.vote is not None:
            by_space[each.to_space] = each.vote
        silent = each.from_space if each.is_cut_over else each.to_space
        if silent in by_space:
            by_space[silent] = replace(by_space[silent], weight=0.0)
    return tuple(by_space.values())


def kept_spaces(votes: Iterable[SpaceVote], migrations: Collection[Migration]) -> tuple[str, ...]:
    """Return the spaces that exemplars are kept in: those that vote, and both of an open migration."""
    voting = voting_spaces(votes_in_force(votes, migrations))
    both = (space for each in migrations if each.is_open for space in (each.from_space, each.to_space))
    return tuple(dict.fromkeys((*voting, *both)))


@dataclass(frozen=True)
class Work:
    """What is to be done until a collection's exemplars are kept in the spaces that they should be.

    Attributes:
        looks: The spaces of looks that exemplars are to be in.
        dropped: Spaces that they are to be in no more.
        lacking: How many lack one of `looks`.
        leaving: How many are still in one of `dropped` although they need not be.
    """

    looks: frozenset[str]
    dropped: frozenset[str]
    lacking: int
    leaving: int

    @classmethod
    def of(
        cls,
        counts: Mapping[frozenset[str], int],
        *,
        kept: Iterable[str],
        looks: Collection[str],
        migrations: Iterable[Migration],
    ) -> Work:
        """Return the work.

        Args:
            counts: How many exemplars are in exactly these spaces.
            kept: The spaces that the collection uses.
            looks: All spaces of looks that are served.
            migrations: Of the collection; the spaces of those that ended may be dropped.
        """
        wanted = frozenset(kept) & frozenset(looks)
        mentioned = {space for each in migrations for space in (each.from_space, each.to_space)}
        dropped = frozenset(mentioned) - frozenset(kept)
        seen = {spaces: count for spaces, count in counts.items() if spaces & (frozenset(looks) | dropped)}
        return cls(
            wanted,
            dropped,
            lacking=sum(count for spaces, count in seen.items() if not wanted <= spaces),
            leaving=sum(count for spaces, count in seen.items() if spaces & dropped and wanted <= spaces),
        )

    def remaining(self, embeddings: Iterable[Embedding]) -> tuple[Embedding, ...]:
        """Return those that are not to be dropped."""
        return tuple(each for each in embeddings if each.space not in self.dropped)


@dataclass(frozen=True)
class MigrationStatus:
    """How far a migration is, in exemplars: `old` have the old encoder's embedding, `new` the new one's.

    Of the first `looked_at` without a new one, so many have no picture any more.
    """

    migration: Migration
    old: int
    new: int
    both: int
    looked_at: int
    without_picture: int
    memory_version: str

    @property
    def lacking(self) -> int:
        """How many have the old one alone."""
        return self.old - self.both
