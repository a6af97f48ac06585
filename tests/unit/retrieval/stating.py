"""Three classes of four exemplars, whose states are kept and compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from services.kernel.vocabulary import EncodedExemplar, RecognitionOptions, SpaceVote
from services.retrieval.domain.comparing import Changed, ComparisonSummary
from services.retrieval.domain.versions import StateName
from services.retrieval.usecases import Voting
from services.retrieval.usecases.versions import (
    CompareStates,
    FindDifference,
    KeepQueries,
    KeepVersion,
    States,
    Wanted,
)
from tests.fakes.exemplars import BIRDS, embedding, encoded
from tests.fakes.object_store import InMemoryStore
from tests.fakes.shelves import ShelvedReplica

VOTING = Voting((SpaceVote("visual", weight=1.0, temperature=0.05, reference=0.5),), neighbours=5)
LIVE = StateName()
CENTRES = {"robin": (1.0, 0.0), "wren": (0.0, 1.0), "tit": (-1.0, 0.2)}


def bird(name: str, label: str, *, like: str = "") -> EncodedExemplar:
    """Return an exemplar of a label that looks like its own class, or like another."""
    random = np.random.default_rng(list(name.encode()))
    along, across = np.array(CENTRES[like or label]) + 0.05 * random.normal(size=2)
    return encoded(name, label, [embedding(along, across)])


class Case:
    """Three classes of four, and the use cases."""

    def __init__(self, folder: Path) -> None:
        self.replica = ShelvedReplica(folder, InMemoryStore())
        shelf = self.replica.shelf
        for label in CENTRES:
            for number in range(4):
                self.replica.remember(bird(f"{label}{number}", label))
        states = States(self.replica, shelf.versions)
        self.keep_version = KeepVersion(self.replica, shelf.versions)
        self.keep_queries = KeepQueries(self.replica, shelf.query_sets, clock=lambda: 1_000.0)
        self.compare_states = CompareStates(states, shelf.query_sets, voting=VOTING)
        self.difference = FindDifference(self.replica, shelf.versions)

    def keep(self, name: str) -> None:
        self.keep_version(BIRDS, name=name, description="")

    def ask(self, wanted: Wanted, name: str = "gold") -> None:
        self.keep_queries(BIRDS, wanted, name=name, description="")

    def compare(
        self, before: StateName, after: StateName, **options: object
    ) -> tuple[list[Changed], ComparisonSummary]:
        *changed, summary = self.compare_states(
            BIRDS,
            (before, after),
            queries="gold",
            options=RecognitionOptions(**options),  # type: ignore[arg-type]
        )
        assert isinstance(summary, ComparisonSummary)
        return [each for each in changed if isinstance(each, Changed)], summary
