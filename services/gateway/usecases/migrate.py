"""Moving a collection from one encoder of pictures to another, while it answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from services.gateway.domain.collections import Collection
from services.gateway.domain.migration import (
    Migration,
    MigrationState,
    MigrationStatus,
    Report,
    votes_in_force,
)
from services.gateway.ports import Collections, Encoder, Images, Retriever, Teacher
from services.gateway.usecases.intake import require_collection
from services.kernel.errors import Conflict, InvalidInput, NotFound
from services.kernel.vocabulary import CollectionKey, Exemplar, SpaceVote

_LOOKED_AT: Final = 100


@dataclass(frozen=True)
class Place:
    """What every step of a migration needs; `shipped` is how spaces vote where a collection says nothing."""

    collections: Collections
    retriever: Retriever
    encoder: Encoder
    teacher: Teacher
    images: Images
    shipped: tuple[SpaceVote, ...]

    def collection(self, key: CollectionKey) -> Collection:
        """Return the collection. Raises NotFound."""
        return require_collection(self.collections, key)

    def votes(self, collection: Collection) -> dict[str, SpaceVote]:
        """Return how the collection's spaces vote now."""
        said = {vote.space: vote for vote in (*self.shipped, *collection.votes)}
        return {vote.space: vote for vote in votes_in_force(said.values(), collection.migrations)}

    def changed(self, collection: Collection, migration: Migration) -> MigrationStatus:
        """Put the migration in the place of the last one, and say how far it is."""
        changed = replace(collection, migrations=(*collection.migrations[:-1], migration))
        self.collections.change(changed)
        return self.status(changed)

    def status(self, collection: Collection) -> MigrationStatus:
        """Say how far the last migration is."""
        migration = last_of(collection)
        version = self.teacher.memory_version()
        counts = self.retriever.count_spaces(collection.key, min_memory_version=version)
        pair = {migration.from_space, migration.to_space}
        looked_at, without = self._without_picture(collection, version, migration)
        return MigrationStatus(
            migration,
            old=sum(count for spaces, count in counts.items() if migration.from_space in spaces),
            new=sum(count for spaces, count in counts.items() if migration.to_space in spaces),
            both=sum(count for spaces, count in counts.items() if pair <= spaces),
            looked_at=looked_at,
            without_picture=without,
            memory_version=version,
        )

    def _without_picture(self, collection: Collection, version: str, migration: Migration) -> tuple[int, int]:
        if not migration.is_open:
            return 0, 0
        lacking = self.retriever.export_exemplars(
            collection.key,
            min_memory_version=version,
            having=(migration.from_space,),
            lacking=(migration.to_space,),
        )
        some = [has_picture(each.exemplar, self.images) for each in islice(lacking, _LOOKED_AT)]
        return len(some), some.count(False)


def has_picture(exemplar: Exemplar, images: Images) -> bool:
    """Return whether the exemplar's picture is there to be encoded again."""
    return exemplar.image is not None and bool(exemplar.image.key) and images.has(exemplar.image.key)


def last_of(collection: Collection) -> Migration:
    """Return the migration that is under way, or ended last. Raises NotFound."""
    if not collection.migrations:
        raise NotFound(
            f"{collection.key} was never migrated; `fovea memory migrate start SPACE` begins",
            field="collection",
            reason="NO_MIGRATION",
        )
    return collection.migrations[-1]


def _open(collection: Collection) -> Migration:
    migration = last_of(collection)
    if not migration.is_open:
        raise Conflict(
            f"the migration of {collection.key} to {migration.to_space} is {migration.state.value}: "
            "what it dropped is gone; start another one",
            field="collection",
            reason="MIGRATION_ENDED",
        )
    return migration


class StartMigration:
    """Begins: from now on exemplars get embeddings of both encoders, and older ones are filled in."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __call__(self, key: CollectionKey, to_space: str, *, from_space: str = "") -> MigrationStatus:
        """Return how far it is.

        Raises:
            InvalidInput: A space is not served, or does not answer, or both are one.
            Conflict: Another migration is under way.
            NotFound: There is no such collection.
        """
        collection = self._place.collection(key)
        if collection.migrations and collection.migrations[-1].is_open:
            raise Conflict(
                f"{key} is on its way to {collection.migrations[-1].to_space}; finish that first",
                field="collection",
                reason="MIGRATION_UNDER_WAY",
            )
        looks = self._place.encoder.spaces()
        _require_served(to_space, looks, field="to_space")
        answering = self._answering(collection, looks)
        if not answering or (from_space and from_space not in answering):
            raise InvalidInput(
                f"{from_space or 'no space of pictures'} does not answer in {key}; "
                f"those that do: {', '.join(answering) or 'none'}",
                field="from_space",
                reason="SPACE_SILENT",
            )
        migration = Migration(from_space or answering[0], to_space)
        if migration.from_space == to_space:
            raise InvalidInput(f"{to_space} answers already", field="to_space", reason="SPACE_ANSWERS")
        begun = replace(collection, migrations=(*_remembered(collection, to_space), migration))
        self._place.collections.change(begun)
        return self._place.status(begun)

    def _answering(self, collection: Collection, looks: tuple[str, ...]) -> list[str]:
        """Return the spaces of looks that answer now, the weightiest first."""
        votes = [vote for vote in self._place.votes(collection).values() if vote.weight > 0]
        ordered = sorted(votes, key=lambda vote: (-vote.weight, vote.space))
        return [vote.space for vote in ordered if vote.space in looks]


def _remembered(collection: Collection, to_space: str) -> tuple[Migration, ...]:
    """Return the migrations that still decide who answers; an earlier attempt at the same does not."""
    abandoned = MigrationState.ABANDONED
    return tuple(
        each for each in collection.migrations if each.to_space != to_space or each.state is not abandoned
    )


def _require_served(space: str, looks: tuple[str, ...], *, field: str) -> None:
    if space not in looks:
        raise InvalidInput(
            f"pictures are not encoded into {space or 'a space without a name'}, but into "
            f"{', '.join(looks)}; FOVEA_MORE_IMAGE_MODELS of the encoding service adds one",
            field=field,
            reason="SPACE_NOT_SERVED",
        )


class GetMigration:
    """Says how far a migration is."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __call__(self, key: CollectionKey) -> MigrationStatus:
        """Return the last one's status. Raises NotFound."""
        return self._place.status(self._place.collection(key))


class EvaluateMigration:
    """Compares the two encoders on the collection's own exemplars."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __call__(self, key: CollectionKey, policy: object) -> Report:
        """Return the report. Raises NotFound, Conflict if the migration has ended, InvalidInput."""
        place = self._place
        collection = place.collection(key)
        migration = _open(collection)
        votes = place.votes(replace(collection, migrations=collection.migrations[:-1]))
        return place.retriever.compare_spaces(
            key,
            votes[migration.from_space],
            migration.to_space,
            policy,
            min_memory_version=place.teacher.memory_version(),
        )


class CutOver:
    """Lets the new encoder answer."""

    def __init__(self, place: Place, evaluate: EvaluateMigration) -> None:
        self._place = place
        self._evaluate = evaluate

    def __call__(self, key: CollectionKey, policy: object, *, override: bool = False) -> MigrationStatus:
        """Return how far it is. Safe to repeat.

        Raises:
            Conflict: An exemplar lacks the new embedding, or the comparison does not pass, and it is not
                overridden; or the migration has ended.
            NotFound: There is none.
        """
        collection = self._place.collection(key)
        migration = _open(collection)
        status = self._place.status(collection)
        if migration.is_cut_over:
            return status
        report = self._evaluate(key, policy)
        problems = _problems(status, report)
        if problems and not override:
            raise Conflict(
                f"not cut over: {'; '.join(problems)}", field="collection", reason="MIGRATION_NOT_READY"
            )
        cut_over = replace(
            migration,
            state=MigrationState.CUT_OVER,
            vote=report.vote,
            report=report.message,
            overridden=bool(problems),
        )
        return self._place.changed(collection, cut_over)


def _problems(status: MigrationStatus, report: Report) -> list[str]:
    found = []
    if status.lacking:
        found.append(f"{status.lacking} of {status.old} exemplars have no embedding of the new encoder yet")
        if status.without_picture:
            found.append(
                f"of the first {status.looked_at} of them {status.without_picture} have no picture any more: "
                "teach them anew or forget them"
            )
    if not report.passes:
        found.append(report.said)
    return found


class RollBack:
    """Lets the old encoder answer again."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __call__(self, key: CollectionKey) -> MigrationStatus:
        """Return how far it is. Safe to repeat. Raises NotFound, Conflict if the old embeddings are gone."""
        collection = self._place.collection(key)
        migration = _open(collection)
        return self._place.changed(collection, replace(migration, state=MigrationState.SIDE_BY_SIDE))


class FinishMigration:
    """Ends it: what belongs to the encoder that does not answer is dropped."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __call__(self, key: CollectionKey) -> MigrationStatus:
        """Return how far the dropping is. Safe to repeat. Raises NotFound."""
        collection = self._place.collection(key)
        migration = last_of(collection)
        if not migration.is_open:
            return self._place.status(collection)
        ended = MigrationState.FINISHED if migration.is_cut_over else MigrationState.ABANDONED
        return self._place.changed(collection, replace(migration, state=ended))
