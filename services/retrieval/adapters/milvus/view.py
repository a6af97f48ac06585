"""One collection in Milvus as it stood at one moment."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from services.kernel.errors import Unavailable
from services.kernel.vocabulary import CollectionKey, Embedding, EncodedExemplar, Exemplar
from services.retrieval.adapters.memory.block import TableKey
from services.retrieval.adapters.milvus import expressions
from services.retrieval.adapters.milvus.connection import Row
from services.retrieval.adapters.milvus.nearest import Near, Tables, best
from services.retrieval.adapters.milvus.rows import DESCRIPTIONS, embedded_in, exemplar_of, vector_of
from services.retrieval.adapters.milvus.state import State
from services.retrieval.domain import Hit, Scope, comparable
from services.retrieval.ports import Found
from services.runtime import memory_version

_READ_SHARE: Final = 0.8  # of the time that the dead are kept; the rest is for clocks and for the way
_IDS_AT_ONCE: Final = 500
_ENCODED_AT_ONCE: Final = 200


@dataclass
class Remembered:
    """What was found out about a moment, or about rows, which never change; for all views of it."""

    left_out: dict[TableKey, int] = field(default_factory=dict)
    labels: Mapping[str, int] | None = None
    spaces: Mapping[frozenset[str], int] | None = None


@dataclass(frozen=True, eq=False)
class MilvusView:
    """Reads the rows that were visible at a moment, for as long as those that died since are kept.

    After that it raises Unavailable, with the reason VIEW_EXPIRED, and never answers from what is left.

    Args:
        tables: Where the rows are.
        collection: Whose.
        state: The moment.
        seen_at: On the clock, when that was seen to be the newest moment.
        clock: Gives seconds; only differences count.
        remembered: What is known already.
    """

    tables: Tables
    collection: CollectionKey
    state: State
    seen_at: float
    clock: Callable[[], float] = time.monotonic
    remembered: Remembered = field(default_factory=Remembered)

    @property
    def version(self) -> str:
        """The memory version of that moment."""
        return memory_version.encode(self.state.offsets)

    def nearest(self, queries: Sequence[Embedding], *, most: int, scope: Scope) -> Sequence[Found]:
        """Return for each query its nearest exemplars."""
        where = self._alive + expressions.admitted(scope)

        def ask(key: TableKey, some: Sequence[Embedding]) -> Iterator[list[Near]]:
            return self.tables.nearest(key, some, most=most, where=where)

        return self._found(queries, most, ask)

    def compare_all(self, queries: Sequence[Embedding], *, most: int, scope: Scope) -> Sequence[Found]:
        """Return what `nearest` would if every row were compared."""
        where = self._alive + expressions.admitted(scope)

        def ask(key: TableKey, some: Sequence[Embedding]) -> Iterator[list[Near]]:
            return iter(self.tables.all_near(key, some, where=where))

        return self._found(queries, most, ask)

    def exemplars(self, *, after: str = "") -> Iterator[Exemplar]:
        """Yield the exemplars whose id is greater, in order of id."""
        return map(exemplar_of, self._rows(["record"], after))

    def encoded(self, *, after: str = "") -> Iterator[EncodedExemplar]:
        """Yield the exemplars whose id is greater, with their embeddings, in order of id."""
        rows = self._rows(["record", "tables"], after)
        while some := list(islice(rows, _ENCODED_AT_ONCE)):
            yield from self._with_vectors(some)

    def find(self, exemplar_ids: Collection[str]) -> Mapping[str, EncodedExemplar]:
        """Return those of these that there are, with their embeddings."""
        found: dict[str, EncodedExemplar] = {}
        ids = sorted(exemplar_ids)
        for start in range(0, len(ids), _IDS_AT_ONCE):
            test = expressions.among("exemplar_id", ids[start : start + _IDS_AT_ONCE])
            rows = self._query(
                self.tables.layout.exemplars, f"{self._alive} and {test}", ["record", "tables"]
            )
            found |= {each.exemplar.exemplar_id: each for each in self._with_vectors(rows)}
        return found

    def described(self, labels: Collection[str], *, most: int, scope: Scope) -> Mapping[str, tuple[str, ...]]:
        """Return texts on how some labels look; asks Milvus only where any text was ever taught."""
        if DESCRIPTIONS not in self.state.tables or not labels:
            return {}
        where = self._alive + expressions.admitted(scope) + expressions.described(labels)
        rows = self._query(self.tables.layout.vectors(DESCRIPTIONS), where, ["exemplar_id", "attributes"])
        found: dict[str, tuple[str, ...]] = {}
        by_key = {expressions.description(label, "")["label"]: label for label in labels}
        for row in sorted(rows, key=lambda row: str(row["exemplar_id"])):
            label = by_key[row["attributes"]["label"]]
            found[label] = (*found.get(label, ()), row["attributes"]["text"])[:most]
        return found

    def labels(self) -> Mapping[str, int]:
        """Return how many exemplars each label has; reads all of them once a moment."""
        if self.remembered.labels is None:
            self.remembered.labels = Counter(row["label"] for row in self._rows(["label"], ""))
        return self.remembered.labels

    def spaces(self) -> Mapping[frozenset[str], int]:
        """Return how many exemplars have embeddings in exactly these spaces; reads all once a moment."""
        if self.remembered.spaces is None:
            self.remembered.spaces = Counter(
                frozenset(key.space for key in embedded_in(row)) for row in self._rows(["tables"], "")
            )
        return self.remembered.spaces

    @property
    def _alive(self) -> str:
        return expressions.alive(self.collection, self.state.moment)

    def _found(
        self,
        queries: Sequence[Embedding],
        most: int,
        ask: Callable[[TableKey, Sequence[Embedding]], Iterator[list[Near]]],
    ) -> list[Found]:
        groups: defaultdict[TableKey, list[int]] = defaultdict(list)
        for index, query in enumerate(queries):
            groups[TableKey.of(query)].append(index)
        near: list[list[Near]] = [[] for _ in queries]
        left_out = dict.fromkeys(groups, 0)
        for key, indexes in groups.items():
            for stored in self.state.tables:
                if stored.space != key.space:
                    continue
                if stored.dim != key.dim or not comparable(key.encoder, stored.encoder):
                    left_out[key] += self._count(stored)
                    continue
                for index, found in zip(indexes, ask(stored, [queries[i] for i in indexes]), strict=True):
                    near[index] = best((*near[index], *found), most)
        exemplars = self._exemplars({each.row_id for some in near for each in some})
        self._check()
        return [
            Found(
                tuple(Hit(exemplars[each.row_id], each.similarity) for each in some),
                left_out[TableKey.of(query)],
            )
            for query, some in zip(queries, near, strict=True)
        ]

    def _count(self, table: TableKey) -> int:
        known = self.remembered.left_out
        if table not in known:
            known[table] = self.tables.connection.count(self.tables.layout.vectors(table), self._alive)
            self._check()
        return known[table]

    def _exemplars(self, row_ids: Collection[str]) -> Mapping[str, Exemplar]:
        ids, found = sorted(row_ids), dict[str, Exemplar]()
        for start in range(0, len(ids), _IDS_AT_ONCE):
            test = expressions.among("id", ids[start : start + _IDS_AT_ONCE])
            rows = self._query(self.tables.layout.exemplars, test, ["id", "record"])
            found |= {row["id"]: exemplar_of(row) for row in rows}
        if missing := row_ids - found.keys():
            raise Unavailable(f"Milvus has vectors without their exemplar, such as {min(missing)}; try again")
        return found

    def _with_vectors(self, rows: Sequence[Row]) -> Iterator[EncodedExemplar]:
        by_table: defaultdict[TableKey, list[str]] = defaultdict(list)
        for row in rows:
            for key in embedded_in(row):
                by_table[key].append(row["id"])
        vectors = {
            (key, found["id"]): vector_of(found)
            for key, ids in by_table.items()
            for found in self._query(
                self.tables.layout.vectors(key), expressions.among("id", ids), ["id", "vector"]
            )
        }
        for row in rows:
            embeddings = tuple(
                Embedding(vectors[key, row["id"]], key.encoder, key.space) for key in embedded_in(row)
            )
            yield EncodedExemplar(exemplar_of(row), embeddings)

    def _rows(self, fields: Sequence[str], after: str) -> Iterator[Row]:
        test = f" and exemplar_id > {expressions.text(after)}" if after else ""
        table = self.tables.layout.exemplars
        for some in self.tables.connection.rows(table, self._alive + test, ["id", *fields]):
            self._check()
            yield from some

    def _query(self, table: str, expression: str, fields: Sequence[str]) -> list[Row]:
        rows = self.tables.connection.query(table, expression, fields)
        self._check()
        return rows

    def _check(self) -> None:
        """Raise unless everything that was read until now was still there."""
        age_s = self.clock() - self.seen_at
        if age_s > _READ_SHARE * self.state.keep_s:
            raise Unavailable(
                f"this state of the memory was current {age_s:.0f} s ago, and what died since may be gone; "
                "begin again, or raise FOVEA_MILVUS_KEEP_VIEWS_S",
                reason="VIEW_EXPIRED",
            )
