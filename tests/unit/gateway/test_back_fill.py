"""Which exemplars are encoded again, and which are left alone."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import pytest

from services.gateway.adapters.back_filler import BackFiller, Pace
from services.gateway.domain.collections import DEFAULT_COLLECTION
from services.gateway.domain.migration import Migration, MigrationState
from services.gateway.usecases.back_fill import BackFill
from services.gateway.usecases.migrate import Place
from services.kernel.errors import Unavailable
from services.kernel.vocabulary import Exemplar, ExemplarKind, ImageReference, SpaceVote
from tests.fakes.gateway import SHIPPED
from tests.fakes.gateway_case import GatewayCase
from tests.fakes.gateway_steps import FakeEncoder, looks

KEY = DEFAULT_COLLECTION
BOTH = Migration("visual", "other")
FINISHED = replace(BOTH, state=MigrationState.FINISHED, vote=SpaceVote("other", 1.0, 0.1, 0.5))


@dataclass
class Told:
    """Keeps what it was told."""

    left: list[tuple[int, int]] = field(default_factory=list)
    handed: int = 0

    def remaining(self, *, lacking: int, leaving: int) -> None:
        self.left.append((lacking, leaving))

    def handed_over(self, count: int) -> None:
        self.handed += count


class Filling:
    """A back-fill over the gateway's fakes."""

    def __init__(self) -> None:
        self.case = GatewayCase()
        self.told = Told()
        self.pauses: list[int] = []
        self.stop = False
        case = self.case
        place = Place(
            case.collections, case.retriever, FakeEncoder(), case.teacher, case.images, SHIPPED.votes
        )
        self.back_fill = BackFill(place, self.told, self._pause)

    def _pause(self, count: int) -> bool:
        self.pauses.append(count)
        return self.stop

    def migrate(self, *migrations: Migration) -> None:
        kept = self.case.collections.kept[KEY]
        self.case.collections.change(replace(kept, migrations=migrations))

    def teach(self, *names: str, spaces: tuple[str, ...] = ("visual",), picture: bool = True) -> None:
        for name in names:
            key = f"default/images/default/{name}"
            image = ImageReference("0" * 64, key, "image/png", 10, 4, 4)
            self.case.retriever.exemplars.append(Exemplar(name, "wren", ExemplarKind.IMAGE, image=image))
            self.case.retriever.embeddings[name] = tuple(map(looks, spaces))
            if picture:
                self.case.images.store(key, b"")

    def kept(self) -> dict[str, list[str]]:
        found = self.case.retriever.embeddings
        return {name: [each.space for each in found[name]] for name in sorted(found)}


@pytest.fixture
def filling() -> Filling:
    return Filling()


def test_nothing_happens_where_nobody_migrates(filling: Filling) -> None:
    filling.teach("a", "b")

    assert filling.back_fill() == 0
    assert filling.case.retriever.calls == 0


def test_both_embeddings_of_a_migration_are_filled_in(filling: Filling) -> None:
    filling.teach("a", "b")
    filling.teach("done", spaces=("visual", "other"))
    filling.migrate(BOTH)

    assert filling.back_fill() == 2

    assert filling.kept() == {name: ["visual", "other"] for name in ("a", "b", "done")}
    assert filling.told.left[0] == (2, 0)
    assert filling.back_fill() == 0
    assert filling.told.left[-1] == (0, 0)


def test_an_exemplar_says_from_where_on_it_must_not_have_been_changed(filling: Filling) -> None:
    filling.teach("a")
    filling.migrate(BOTH)

    filling.back_fill()

    (change,) = filling.case.teacher.changes
    assert change.unless_changed_since == (0,)
    assert change.spaces == ("other", "visual")
    assert [each.space for each in change.embeddings] == ["visual"]


def test_pages_are_handed_over_one_after_the_other(filling: Filling) -> None:
    filling.teach(*(f"{number:03}" for number in range(150)))
    filling.migrate(BOTH)

    assert filling.back_fill() == 150

    assert [len(batch) for batch in filling.case.teacher.batches] == [64, 64, 22]
    assert filling.pauses == [64, 64]
    since = {change.unless_changed_since for change in filling.case.teacher.changes}
    assert since == {(0,), (64,), (128,)}  # each page as it is when it is read


def test_it_stops_between_two_pages_when_it_is_told_to_and_goes_on_later(filling: Filling) -> None:
    filling.teach(*(f"{number:03}" for number in range(100)))
    filling.migrate(BOTH)
    filling.stop = True

    assert filling.back_fill() == 64
    assert filling.back_fill() == 36


def test_what_has_no_picture_any_more_is_left_and_looked_at_ever_more_seldom(filling: Filling) -> None:
    filling.teach("gone", picture=False)
    filling.teach("a")
    filling.migrate(BOTH)

    assert filling.back_fill() == 1
    for _ in range(40):
        filling.back_fill()

    assert filling.kept() == {"a": ["visual", "other"], "gone": ["visual"]}
    looked = filling.case.retriever.calls
    for _ in range(30):
        filling.back_fill()
    assert filling.case.retriever.calls - looked < 35  # a count each time, and hardly a look


def test_texts_are_none_of_its_business(filling: Filling) -> None:
    filling.case.retriever.exemplars.append(Exemplar("n", "wren", ExemplarKind.NAME, text="wren"))
    filling.case.retriever.embeddings["n"] = (looks("name"),)
    filling.migrate(BOTH)

    assert filling.back_fill() == 0


def test_what_a_finished_migration_left_is_dropped(filling: Filling) -> None:
    filling.teach("a", "b", spaces=("visual", "other"))
    filling.teach("old", picture=False)
    filling.migrate(FINISHED)

    filling.back_fill()

    assert filling.kept() == {"a": ["other"], "b": ["other"], "old": ["visual"]}
    assert filling.told.left[0] == (1, 2)


def test_what_an_abandoned_migration_left_is_dropped(filling: Filling) -> None:
    filling.teach("a", spaces=("visual", "other"))
    filling.migrate(replace(BOTH, state=MigrationState.ABANDONED))

    filling.back_fill()

    assert filling.kept() == {"a": ["visual"]}


def test_a_space_that_a_later_migration_needs_is_not_dropped(filling: Filling) -> None:
    filling.teach("a", spaces=("visual", "other"))
    filling.migrate(FINISHED, Migration("other", "visual"))

    assert filling.back_fill() == 0
    assert filling.kept() == {"a": ["visual", "other"]}


def test_spaces_that_a_collection_lets_vote_together_are_filled_in(filling: Filling) -> None:
    filling.teach("a")
    kept = filling.case.collections.kept[KEY]
    votes = (SpaceVote("other", 0.5, 0.1, 0.5),)
    filling.case.collections.change(replace(kept, votes=votes))

    filling.back_fill()

    assert filling.kept() == {"a": ["visual", "other"]}


def test_in_the_background_it_goes_on_after_an_error_and_ends_when_it_is_told_to() -> None:
    pace, enough = Pace(1000.0), threading.Event()
    seen: list[int] = []

    def back_fill() -> int:
        seen.append(1)
        if len(seen) == 1:
            raise Unavailable("not yet")
        if len(seen) == 3:
            enough.set()
        return 1

    filler = BackFiller(back_fill, pace, ready=lambda _: True, every_s=0.01)
    filler.start()
    assert enough.wait(10.0)
    filler.close()

    assert pace(1)
