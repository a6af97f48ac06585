"""The steps of a migration, and what they decide."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fovea.kernel.v1 import candidates_pb2, migration_pb2
from services.gateway.codec.collections import read_collection, write_collection
from services.gateway.codec.migrations import read_report
from services.gateway.domain.collections import DEFAULT_COLLECTION, Collection
from services.gateway.domain.migration import Migration, MigrationState, kept_spaces, votes_in_force
from services.gateway.domain.options import effective_options
from services.gateway.domain.teaching import Lesson
from services.gateway.settings import GatewaySettings
from services.gateway.usecases.migrate import (
    CutOver,
    EvaluateMigration,
    FinishMigration,
    Place,
    RollBack,
    StartMigration,
)
from services.kernel.errors import Conflict, InvalidInput
from services.kernel.vocabulary import ExemplarKind, RecognitionOptions, SpaceVote
from tests.fakes.gateway import SHIPPED, picture
from tests.fakes.gateway_steps import FakeEncoder
from tests.unit.gateway.test_back_fill import Filling

KEY = DEFAULT_COLLECTION
VISUAL, NAME = SHIPPED.votes
OTHER = SpaceVote("other", 1.0, 0.1, 0.6)
SIDE_BY_SIDE = Migration("visual", "other")
CUT_OVER = replace(SIDE_BY_SIDE, state=MigrationState.CUT_OVER, vote=OTHER)


class Moving(Filling):
    """All steps over the gateway's fakes."""

    def __init__(self) -> None:
        super().__init__()
        case = self.case
        place = Place(
            case.collections, case.retriever, FakeEncoder(), case.teacher, case.images, SHIPPED.votes
        )
        self.start = StartMigration(place)
        self.evaluate = EvaluateMigration(place)
        self.cut_over = CutOver(place, self.evaluate)
        self.roll_back = RollBack(place)
        self.finish = FinishMigration(place)

    @property
    def collection(self) -> Collection:
        return self.case.collections.kept[KEY]

    def weights(self, asked: RecognitionOptions | None = None) -> dict[str, float]:
        options = effective_options(asked or RecognitionOptions(), self.collection, SHIPPED)
        return {vote.space: vote.weight for vote in options.votes}


@pytest.fixture
def moving() -> Moving:
    moving = Moving()
    moving.teach("a", "b")
    return moving


def ready(moving: Moving) -> None:
    moving.start(KEY, "other")
    moving.back_fill()


def test_the_votes_follow_the_migration(moving: Moving) -> None:
    assert moving.weights() == {"visual": 1.0, "name": 0.5}
    ready(moving)
    assert moving.weights() == {"visual": 1.0, "name": 0.5}
    moving.cut_over(KEY, None)
    assert moving.weights() == {"visual": 0.0, "name": 0.5, "other": 1.0}
    moving.roll_back(KEY)
    assert moving.weights() == {"visual": 1.0, "name": 0.5}
    moving.cut_over(KEY, None)
    moving.finish(KEY)
    assert moving.weights() == {"visual": 0.0, "name": 0.5, "other": 1.0}


def test_the_space_that_answers_is_compared_as_it_votes(moving: Moving) -> None:
    ready(moving)
    moving.cut_over(KEY, "policy")

    moving.evaluate(KEY, "again")

    assert moving.case.retriever.compared == [(VISUAL, "other", "policy"), (VISUAL, "other", "again")]


def test_it_is_not_cut_over_while_an_exemplar_lacks_the_new_embedding(moving: Moving) -> None:
    moving.start(KEY, "other")

    with pytest.raises(Conflict, match="2 of 2 exemplars have no embedding of the new encoder yet") as caught:
        moving.cut_over(KEY, None)

    assert caught.value.reason == "MIGRATION_NOT_READY"
    assert moving.weights()["visual"] == 1.0
    moving.back_fill()
    assert not moving.cut_over(KEY, None).migration.overridden


def test_it_is_not_cut_over_to_what_is_worse_unless_somebody_insists(moving: Moving) -> None:
    ready(moving)
    moving.case.retriever.report = replace(moving.case.retriever.report, passes=False)

    with pytest.raises(Conflict, match="not cut over: worse"):
        moving.cut_over(KEY, None)

    status = moving.cut_over(KEY, None, override=True)
    assert status.migration.overridden
    assert status.migration.report == moving.case.retriever.report.message


def test_steps_may_be_repeated(moving: Moving) -> None:
    ready(moving)
    assert moving.cut_over(KEY, None) == moving.cut_over(KEY, None)
    assert moving.roll_back(KEY) == moving.roll_back(KEY)
    assert moving.finish(KEY) == moving.finish(KEY)


def test_what_has_ended_cannot_be_rolled_back(moving: Moving) -> None:
    ready(moving)
    moving.cut_over(KEY, None)
    moving.finish(KEY)

    with pytest.raises(Conflict, match="is finished: what it dropped is gone"):
        moving.roll_back(KEY)


def test_a_way_back_is_a_migration_of_its_own(moving: Moving) -> None:
    ready(moving)
    moving.cut_over(KEY, None)
    moving.finish(KEY)
    moving.back_fill()

    status = moving.start(KEY, "visual")

    assert (status.migration.from_space, status.migration.to_space) == ("other", "visual")
    assert moving.weights() == {"visual": 0.0, "name": 0.5, "other": 1.0}
    moving.back_fill()
    moving.case.retriever.report = replace(moving.case.retriever.report, vote=VISUAL)
    moving.cut_over(KEY, None)
    assert moving.weights() == {"visual": 1.0, "name": 0.5, "other": 0.0}


def test_an_attempt_that_was_abandoned_is_forgotten_by_the_next_one(moving: Moving) -> None:
    for _ in range(3):
        moving.start(KEY, "other")
        moving.finish(KEY)

    assert len(moving.collection.migrations) == 1


def test_a_silent_space_cannot_be_left(moving: Moving) -> None:
    with pytest.raises(InvalidInput, match="other does not answer in default/default; those that do: visual"):
        moving.start(KEY, "visual", from_space="other")


def test_a_caller_who_names_a_space_gets_it(moving: Moving) -> None:
    ready(moving)
    moving.cut_over(KEY, None)

    assert moving.weights(RecognitionOptions(votes=(VISUAL,)))["visual"] == 1.0


def test_pictures_are_kept_where_they_may_be_asked_for() -> None:
    votes = (VISUAL, NAME)
    finished = replace(CUT_OVER, state=MigrationState.FINISHED)
    abandoned = replace(SIDE_BY_SIDE, state=MigrationState.ABANDONED)

    assert kept_spaces(votes, ()) == ("visual", "name")
    assert kept_spaces(votes, (SIDE_BY_SIDE,)) == ("visual", "name", "other")
    assert set(kept_spaces(votes, (CUT_OVER,))) == {"visual", "name", "other"}
    assert kept_spaces(votes, (finished,)) == ("name", "other")
    assert kept_spaces(votes, (abandoned,)) == ("visual", "name")
    assert (
        votes_in_force(votes, (finished, replace(abandoned, from_space="other", to_space="third")))[2]
        == OTHER
    )


def test_what_is_taught_is_encoded_for_both_encoders(moving: Moving) -> None:
    moving.migrate(SIDE_BY_SIDE)

    change = moving.case.prepare(Lesson(KEY, "wren", ExemplarKind.IMAGE, image=picture()))

    named = moving.case.prepare(Lesson(KEY, "wren", ExemplarKind.NAME, text="wren"))

    assert change.spaces == named.spaces == ("visual", "name", "other")


def test_a_collection_comes_back_from_the_log_with_its_migrations() -> None:
    report = migration_pb2.SpaceReport(asked=3, passes=True)
    collection = Collection(KEY, migrations=(replace(CUT_OVER, report=report, overridden=True), SIDE_BY_SIDE))

    assert read_collection(write_collection(collection)) == collection


def test_a_report_is_put_into_words() -> None:
    share = migration_pb2.PairedShare(before=90, after=70, difference=-0.2, least=-0.28, most=-0.12)
    vote = candidates_pb2.SpaceVote(space="other", weight=1.0, temperature=0.1, reference=0.5)
    message = migration_pb2.SpaceReport(
        asked=100, labels=7, accuracy=share, recall=share, candidates=5, margin=0.02, vote=vote
    )

    assert read_report(message).said == (
        "asked for 100 exemplars of 7 labels, the new encoder is not shown to be at most 2.0% worse: "
        "right first 90.0% before and 70.0% after (difference -28.0% to -12.0%), "
        "among 5 90.0% before and 70.0% after (difference -28.0% to -12.0%)"
    )
    message.asked = 0
    assert "nothing can be compared" in read_report(message).said


def test_votes_of_a_new_space_can_be_set_for_collections_that_say_nothing() -> None:
    settings = GatewaySettings(votes="visual=0:0.056:0.44,visual-2=1:0.05:0.5")

    assert settings.default_votes == (
        SpaceVote("visual", 0.0, 0.056, 0.44),
        SpaceVote("visual-2", 1.0, 0.05, 0.5),
    )
    assert GatewaySettings().default_votes == ()
    for wrong in ("visual", "visual=1", "visual=1:0:0.4", "visual=-1:0.1:0.4"):
        with pytest.raises(ValueError, match="votes"):
            GatewaySettings(votes=wrong)
