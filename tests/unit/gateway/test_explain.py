"""Replays and explanations, over fakes."""
# ruff: noqa: ARG002  (a fake need not look at everything)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.gateway.domain.explaining import Answer, answer_of, left_out, voters
from services.gateway.domain.recognition import Recognition, RecognitionState
from services.gateway.domain.replaying import MOST_DIFFERENCES, Difference, Outcome, compare
from services.gateway.ports import Ordering, Recollection
from services.gateway.usecases.explain import ExplainRecognition, ReplayRecognition
from services.gateway.usecases.recognize import Steps
from services.gateway.usecases.submit import GetRecognition
from services.kernel.errors import Conflict, InvalidInput, NotFound, Unavailable
from services.kernel.failures import Failure
from services.kernel.rankings import (
    BroaderLabel,
    Candidate,
    Candidates,
    Neighbour,
    RankedLabel,
    Ranking,
    RankingStatus,
)
from services.kernel.vocabulary import (
    CollectionKey,
    ExemplarKind,
    ImageReference,
    Mask,
    RecognitionOptions,
    Region,
    RegionEmbeddings,
    Stage,
)
from tests.fakes.gateway import task
from tests.fakes.gateway_case import PASSING, GatewayCase
from tests.fakes.gateway_steps import FakeRanker, FakeRetriever

VOTES = {"robin": {"r1": 0.3, "r2": 0.2}, "wren": {"w1": 0.25}}


class VotingRetriever(FakeRetriever):
    """Its candidates are the sums of the votes of exemplars that are not excluded."""

    def __init__(self) -> None:
        super().__init__()
        self.votes = VOTES
        self.version = "v1"

    def recall(
        self, collection: CollectionKey, regions: Sequence[RegionEmbeddings], options: RecognitionOptions
    ) -> Recollection:
        self.enter()
        kept = {
            label: {key: share for key, share in votes.items() if key not in options.exclude_exemplar_ids}
            for label, votes in self.votes.items()
        }
        labels = sorted((each for each in kept if kept[each]), key=lambda each: -sum(kept[each].values()))
        found = tuple(
            Candidate(label, sum(kept[label].values()), tuple(_neighbours(kept[label]))) for label in labels
        )
        candidates = tuple(Candidates(region.region_id, found, 0.1, 0.5, 0.2, ()) for region in regions)
        return Recollection(candidates, Stage("retrieval", "1", memory_version=self.version))


class StraightRanker(FakeRanker):
    """Keeps retrieval's order."""

    def rank(
        self,
        image: ImageReference,
        regions: Sequence[Region],
        candidates: Sequence[Candidates],
        options: RecognitionOptions,
    ) -> Ordering:
        self.enter()
        rankings = tuple(
            Ranking(
                found.region_id,
                tuple(RankedLabel(each.label, each.score) for each in found.candidates),
                0.2,
                RankingStatus.RANKED if found.candidates else RankingStatus.UNKNOWN,
            )
            for found in candidates
        )
        return Ordering(rankings, Stage("ranking", "1"))


def _neighbours(votes: dict[str, float]) -> list[Neighbour]:
    return [Neighbour(key, ExemplarKind.IMAGE, "visual", 0.9, share) for key, share in votes.items()]


class Explaining(GatewayCase):
    """A gateway whose memory votes."""

    def __init__(self) -> None:
        super().__init__()
        self.retriever = VotingRetriever()
        self.ranker = StraightRanker()

    @property
    def steps(self) -> Steps:
        return Steps(self.segmenter, self.encoder, self.retriever, self.ranker)

    @property
    def replay(self) -> ReplayRecognition:
        return ReplayRecognition(GetRecognition(self.recognitions), self.images, self.steps)

    @property
    def explain(self) -> ExplainRecognition:
        return ExplainRecognition(GetRecognition(self.recognitions), self.images, self.steps)


@pytest.fixture
def case() -> Explaining:
    case = Explaining()
    case.recognize(task(recognition_id="r"))
    return case


def test_nothing_changed_so_every_step_answers_the_same(case: Explaining) -> None:
    steps = case.replay("default", "r")

    assert [step.name for step in steps] == ["segmentation", "encoding", "retrieval", "ranking"]
    assert {step.outcome for step in steps} == {Outcome.SAME}
    assert not any(step.made_with for step in steps)


def test_one_change_is_named_at_its_step_and_at_no_later_one(case: Explaining) -> None:
    retriever = case.retriever
    assert isinstance(retriever, VotingRetriever)
    retriever.votes = {"robin": {"r1": 0.3}, "wren": {"w1": 0.25}}
    retriever.version = "v2"

    segmentation, encoding, retrieval, ranking = case.replay("default", "r")

    assert (segmentation.outcome, encoding.outcome) == (Outcome.SAME, Outcome.SAME)
    assert retrieval.outcome is Outcome.DIFFERS
    assert Difference("candidates[0].candidates[0].score", "0.5", "0.3") in retrieval.differences
    gone = "candidates[0].candidates[0].neighbours[1].exemplar_id"
    assert Difference(gone, "r2", "") in retrieval.differences
    assert retrieval.made_with == (Difference("memory_version", "v1", "v2"),)
    assert ranking.outcome is Outcome.SAME  # it was given what the record says, not what retrieval says now


def test_a_step_that_is_down_says_so_and_the_others_go_on(case: Explaining) -> None:
    case.encoder.error = Unavailable("encoding is away")

    segmentation, encoding, retrieval, ranking = case.replay("default", "r")

    assert (segmentation.outcome, ranking.outcome) == (Outcome.SAME, Outcome.SAME)
    assert (encoding.outcome, retrieval.outcome) == (Outcome.NOT_RUN, Outcome.NOT_RUN)
    assert "away" in str(encoding.error)
    assert "embeddings" in str(retrieval.error)


def test_another_model_is_what_encoding_differs_by(case: Explaining) -> None:
    record = case.recognitions.find("default", "r")
    assert record is not None
    stages = tuple(
        replace(stage, models=("old@0",)) if stage.name == "encoding" else stage
        for stage in record.envelope.stages
    )
    older = replace(record, envelope=replace(record.envelope, recognition_id="old", stages=stages))
    case.recognitions.keep(older)

    encoding = case.replay("default", "old")[1]

    assert encoding.differences == (Difference("models[0]", "old@0", "e@1"),)
    assert encoding.made_with == (Difference("models", "old@0", "e@1"),)


def test_what_cannot_be_replayed_says_why(case: Explaining) -> None:
    with pytest.raises(NotFound, match="no recognition x"):
        case.replay("default", "x")
    case.recognize(task(recognition_id="passing", collection=PASSING))
    with pytest.raises(NotFound, match="no longer kept"):
        case.replay("default", "passing")
    failed = case.recognitions.find("default", "r")
    assert failed is not None
    envelope = replace(failed.envelope, recognition_id="failed")
    failure = Failure("INVALID_ARGUMENT", "IMAGE_TRUNCATED", "cut off", "", 0.0)
    case.recognitions.keep(Recognition(envelope, RecognitionState.FAILED, failure=failure))
    with pytest.raises(Conflict, match="cut off"):
        case.replay("default", "failed")


def test_numbers_may_move_by_a_thousandth_and_times_are_not_looked_at() -> None:
    before = Stage("ranking", "1", duration_s=1.0)
    assert not compare(before, replace(before, duration_s=2.0))
    assert not compare({"score": 0.5}, {"score": 0.5004})
    assert compare({"score": 0.5}, {"score": 0.502}) == (Difference("score", "0.5", "0.502"),)
    assert compare({"mask": Mask(1, 4, (1, 2, 1))}, {"mask": Mask(1, 4, (1, 3))}) == (
        Difference("mask", "2 pixels", "3 pixels"),
    )
    assert len(compare(list(range(99)), [])) == MOST_DIFFERENCES


def test_an_explanation_asks_again_without_the_exemplars_that_voted_most(case: Explaining) -> None:
    explanation = case.explain("default", "r", region_id="", exemplars=None)

    assert explanation.answer == explanation.today == Answer("robin", 0.5)
    first, second, both = explanation.counterfactuals
    assert (first.exemplar_ids, first.share, first.answer) == (("r1",), 0.3, Answer("wren", 0.25))
    assert first.changes
    assert (second.exemplar_ids, second.answer, second.changes) == (("r2",), Answer("robin", 0.3), False)
    assert (both.exemplar_ids, both.share) == (("r1", "r2"), 0.5)
    assert explanation.retrieval_today == Stage("retrieval", "1", memory_version="v1")


def test_what_was_excluded_stays_excluded(case: Explaining) -> None:
    options = RecognitionOptions(exclude_exemplar_ids=("w1",))
    case.recognize(task(recognition_id="without", options=options))

    explanation = case.explain("default", "without", region_id="0", exemplars=10)

    assert explanation.counterfactuals[-1].answer == Answer("", 0.2)  # nothing is left: unknown


def test_an_explanation_without_an_image_still_has_the_record(case: Explaining) -> None:
    case.recognize(task(recognition_id="passing", collection=PASSING))

    explanation = case.explain("default", "passing", region_id="", exemplars=3)

    assert explanation.answer.label == "robin"
    assert explanation.counterfactuals == ()
    assert isinstance(explanation.error, NotFound)
    assert explanation.error.reason == "IMAGE_GONE"


def test_what_cannot_be_explained_says_why(case: Explaining) -> None:
    with pytest.raises(NotFound, match="no region 7; there are: 0"):
        case.explain("default", "r", region_id="7", exemplars=None)
    with pytest.raises(InvalidInput, match="from 0 to 10"):
        case.explain("default", "r", region_id="", exemplars=11)


def test_the_answer_is_what_a_caller_is_told() -> None:
    labels = (RankedLabel("robin", 0.4), RankedLabel("wren", 0.3))
    ranked = Ranking("0", labels, 0.3, RankingStatus.RANKED)
    assert answer_of(ranked) == Answer("robin", 0.4)
    assert answer_of(replace(ranked, broader=BroaderLabel("bird", 0.7, 1))) == Answer("bird", 0.7)
    assert answer_of(replace(ranked, status=RankingStatus.UNKNOWN)) == Answer("", 0.3)


def test_votes_of_one_exemplar_in_two_spaces_are_one_vote() -> None:
    neighbours = (
        Neighbour("a", ExemplarKind.IMAGE, "visual", 0.9, 0.25),
        Neighbour("b", ExemplarKind.IMAGE, "visual", 0.8, 0.25),
        Neighbour("a", ExemplarKind.IMAGE, "other", 0.7, 0.125),
    )
    found = Candidates("0", (Candidate("robin", 1.0, neighbours),), 1.0, 0.0, 0.45, ())

    assert voters(found, "robin", most=5) == (("a", 0.375), ("b", 0.25))
    assert voters(found, "bird", most=1) == (("a", 0.375),)
    assert voters(replace(found, candidates=()), "robin", most=5) == ()
    assert left_out((("a", 0.5),)) == ((("a",), 0.5),)
