"""Whatever is done to an index and in which order, it answers as the plainest memory does."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.kernel.vocabulary import AttributeValue, Condition, Embedding, EncodedExemplar
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.adapters.memory.state import State
from services.retrieval.domain import Scope
from tests.fakes.exemplars import BIRDS, ENCODER, OTHER_DIGEST, embedding, encoded
from tests.fakes.folders import IN_MEMORY
from tests.fakes.memory import InMemoryMemory
from tests.unit.retrieval.adapters.memory.indexes import SMALL

NAMES = st.sampled_from([f"x{number}" for number in range(12)])
SPACES = st.sampled_from(["visual", "name"])
VECTORS = st.builds(
    lambda x, y, z, encoder, space: embedding(x, y, z, encoder=encoder, space=space),
    st.integers(-3, 3),
    st.integers(-3, 3),
    st.integers(1, 3),
    st.sampled_from([ENCODER, OTHER_DIGEST, "bridge@aa"]),
    SPACES,
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["place", "size"]), st.sampled_from(["wood", "sea", 1.0, 2.0, True]), max_size=2
)
CONDITIONS = st.sampled_from(
    [Condition("place", one_of=("wood", 1.0)), Condition("size", least=1.0, most=1.5), Condition("size")]
)
SCOPES = st.builds(
    Scope,
    st.lists(CONDITIONS, max_size=2).map(tuple),
    st.frozensets(NAMES, max_size=2),
)


class AgainstTheOracle(RuleBasedStateMachine):
    """Whatever is done, and in whatever order, the segments answer as the plainest arithmetic does."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=IN_MEMORY))
        self.index = SegmentedIndex(self.folder, SMALL)
        self.oracle = InMemoryMemory()
        self.kept: tuple[State, dict[str, EncodedExemplar]] | None = None
        self.written = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule(
        name=NAMES,
        label=st.sampled_from(["robin", "wren"]),
        vectors=st.lists(VECTORS, max_size=3, unique_by=lambda each: (each.space, each.encoder)),
        attributes=ATTRIBUTES,
    )
    def remember(
        self, name: str, label: str, vectors: list[Embedding], attributes: dict[str, AttributeValue]
    ) -> None:
        exemplar = encoded(name, label, vectors, attributes)
        self.oracle.remember(BIRDS, exemplar)
        self.apply(Change(BIRDS, name, exemplar))

    @rule(name=NAMES)
    def forget(self, name: str) -> None:
        self.oracle.forget(BIRDS, name)
        self.apply(Change(BIRDS, name, None))

    @rule(name=NAMES)
    def relabel(self, name: str) -> None:
        known = self.oracle.collections.get(BIRDS, {}).get(name)
        if known is not None:
            self.remember(name, "corrected", list(known.embeddings), dict(known.exemplar.attributes))

    def apply(self, *changes: Change) -> None:
        self.written += 1
        self.index.apply(changes, {0: self.written})

    @rule()
    def flush(self) -> None:
        self.kept = self.index.flush(), dict(self.oracle.collections.get(BIRDS, {}))

    @rule()
    def maintain(self) -> None:
        self.index.maintain()

    @precondition(lambda self: self.kept is not None)
    @rule()
    def open_the_last_state_in_another_process(self) -> None:
        assert self.kept is not None
        state, entries = self.kept
        self.index = SegmentedIndex(self.folder, SMALL)
        self.index.restore(state)
        self.oracle = InMemoryMemory({BIRDS: dict(entries)})
        self.written = state.offsets.get(0, 0)

    @rule(query=VECTORS, most=st.integers(1, 13), scope=SCOPES)
    def search(self, query: Embedding, most: int, scope: Scope) -> None:
        found = self.index.view(BIRDS).nearest([query], most=most, scope=scope)

        assert found == self.oracle.view(BIRDS).nearest([query], most=most, scope=scope)

    @invariant()
    def what_is_listed_agrees(self) -> None:
        view, expected = self.index.view(BIRDS), self.oracle.view(BIRDS)
        assert list(view.exemplars()) == list(expected.exemplars())
        assert dict(view.labels()) == dict(expected.labels())
        counts = dict.fromkeys(("visual", "name"), 0)
        for entry in expected.encoded():
            for space in {each.space for each in entry.embeddings}:
                counts[space] += 1
        assert {space: self.index.items().get(space, 0) for space in counts} == counts


AgainstTheOracle.TestCase.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
TestAgainstTheOracle = AgainstTheOracle.TestCase
