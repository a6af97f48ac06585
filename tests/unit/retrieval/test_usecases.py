from __future__ import annotations

import itertools

import pytest

from services.kernel.errors import InvalidInput, Unavailable
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import (
    Condition,
    Embedding,
    RecognitionOptions,
    RegionEmbeddings,
    SpaceVote,
    Stage,
)
from services.retrieval.domain import page_token
from services.retrieval.usecases import (
    ENCODER_MISMATCH,
    NO_VOTE,
    ExportExemplars,
    ListExemplars,
    Listing,
    ListLabels,
    Page,
    Recall,
    Recalled,
    Voting,
)
from tests.fakes.exemplars import BIRDS, OTHER_DIGEST, SEA, described, embedding, encoded
from tests.fakes.memory import InMemoryMemory, RecordingMonitor

VISUAL = SpaceVote("visual", weight=1.0, temperature=0.07, reference=0.5)
NAME = SpaceVote("name", weight=1.0, temperature=0.07, reference=0.5)
NORTH = embedding(0, 1)
NO_OPTIONS = RecognitionOptions()


@pytest.fixture
def memory() -> InMemoryMemory:
    memory = InMemoryMemory()
    memory.remember(BIRDS, encoded("r1", "robin", [embedding(1, 9)], {"place": "wood"}))
    memory.remember(BIRDS, encoded("r2", "robin", [embedding(2, 9)], {"place": "wood"}))
    memory.remember(BIRDS, encoded("w1", "wren", [embedding(3, 9)], {"place": "hedge"}))
    memory.remember(BIRDS, encoded("n1", "wren", [embedding(0, 1, 0, space="name")]))
    return memory


def recaller(
    memory: InMemoryMemory, *, neighbours: int = 100, monitor: RecordingMonitor | None = None
) -> Recall:
    ticks = itertools.count(start=10.0, step=0.5)
    return Recall(
        memory,
        voting=Voting((VISUAL, NAME), neighbours),
        monitor=monitor or RecordingMonitor(),
        version="1.2",
        clock=lambda: next(ticks),
    )


def recall(
    memory: InMemoryMemory, *embeddings: Embedding, options: RecognitionOptions = NO_OPTIONS
) -> Recalled:
    return recaller(memory)(BIRDS, [RegionEmbeddings("0", embeddings)], options)


def labels(recalled: Recalled) -> list[str]:
    return [each.label for each in recalled.candidates[0].candidates]


def voters(recalled: Recalled) -> list[str]:
    found = recalled.candidates[0].candidates
    return sorted(each.exemplar_id for candidate in found for each in candidate.neighbours)


def test_every_label_is_proposed_once(memory: InMemoryMemory) -> None:
    assert labels(recall(memory, NORTH)) == ["robin", "wren"]


def test_both_spaces_vote(memory: InMemoryMemory) -> None:
    recalled = recall(memory, NORTH, embedding(0, 1, 0, space="name"))

    assert voters(recalled) == ["n1", "r1", "r2", "w1"]
    assert recalled.candidates[0].votes == (NAME, VISUAL)


def test_an_image_without_regions_has_no_candidates_and_names_the_memory(memory: InMemoryMemory) -> None:
    recalled = recaller(memory)(BIRDS, [], NO_OPTIONS)

    assert recalled.candidates == ()
    assert recalled.stage.memory_version


def test_each_region_has_its_candidates_in_its_place(memory: InMemoryMemory) -> None:
    regions = [
        RegionEmbeddings("a", (embedding(0, 1, 0, space="name"),)),
        RegionEmbeddings("b", ()),
        RegionEmbeddings("c", (NORTH,)),
    ]

    recalled = recaller(memory)(BIRDS, regions, NO_OPTIONS)

    assert [each.region_id for each in recalled.candidates] == ["a", "b", "c"]
    assert [[found.label for found in each.candidates] for each in recalled.candidates] == [
        ["wren"],
        [],
        ["robin", "wren"],
    ]


def test_no_more_labels_than_asked_for(memory: InMemoryMemory) -> None:
    assert labels(recall(memory, NORTH, options=RecognitionOptions(size=1))) == ["robin"]


def test_the_usual_number_of_labels_unless_asked(memory: InMemoryMemory) -> None:
    for number in range(20):
        memory.remember(BIRDS, encoded(f"x{number}", f"label {number}", [NORTH]))

    assert len(labels(recall(memory, NORTH))) == LIMITS.default_labels_per_region


def test_only_the_nearest_neighbours_vote(memory: InMemoryMemory) -> None:
    recalled = recaller(memory, neighbours=2)(BIRDS, [RegionEmbeddings("0", (NORTH,))], NO_OPTIONS)

    assert voters(recalled) == ["r1", "r2"]


def test_an_excluded_exemplar_does_not_vote(memory: InMemoryMemory) -> None:
    assert voters(recall(memory, NORTH, options=RecognitionOptions(exclude_exemplar_ids=("r1",)))) == [
        "r2",
        "w1",
    ]


def test_only_exemplars_that_pass_the_filter_vote(memory: InMemoryMemory) -> None:
    options = RecognitionOptions(filter=(Condition("place", one_of=("hedge",)),))

    assert voters(recall(memory, NORTH, options=options)) == ["w1"]


def test_asked_votes_are_in_force_and_recorded(memory: InMemoryMemory) -> None:
    asked = SpaceVote("visual", weight=0.0, temperature=1.0, reference=0.0)

    recalled = recall(memory, NORTH, options=RecognitionOptions(votes=(asked,)))

    assert labels(recalled) == []
    assert recalled.candidates[0].votes == (NAME, asked)
    assert recalled.stage.rungs == ()


def test_an_empty_collection_gives_no_candidates_and_no_rung(memory: InMemoryMemory) -> None:
    recalled = recaller(memory)(SEA, [RegionEmbeddings("0", (NORTH,))], NO_OPTIONS)

    assert recalled.candidates[0].candidates == ()
    assert recalled.candidates[0].unknown_score == 1
    assert recalled.stage.rungs == ()


def test_another_version_of_the_encoder_finds_nothing_and_says_so(memory: InMemoryMemory) -> None:
    monitor = RecordingMonitor()
    query = embedding(0, 1, encoder=OTHER_DIGEST)

    recalled = recaller(memory, monitor=monitor)(BIRDS, [RegionEmbeddings("0", (query,))], NO_OPTIONS)

    assert labels(recalled) == []
    assert recalled.stage.rungs == (ENCODER_MISMATCH,)
    assert monitor.left == [(BIRDS, OTHER_DIGEST, 3)]


def test_a_space_for_which_nobody_votes_is_not_asked_and_that_is_said(memory: InMemoryMemory) -> None:
    recalled = recall(memory, embedding(1, 0, space="sound"), NORTH)

    assert recalled.stage.rungs == (NO_VOTE,)
    assert labels(recalled) == ["robin", "wren"]


def test_the_stage_says_who_from_which_memory_and_how_long(memory: InMemoryMemory) -> None:
    monitor = RecordingMonitor()

    stage = recaller(memory, monitor=monitor)(BIRDS, [RegionEmbeddings("0", (NORTH,))], NO_OPTIONS).stage

    assert stage == Stage("retrieval", "1.2", memory_version="4", duration_s=1.5)
    assert monitor.searches == [0.5]


def test_a_memory_that_is_not_new_enough_is_not_asked(memory: InMemoryMemory) -> None:
    with pytest.raises(Unavailable):
        recall(memory, NORTH, options=RecognitionOptions(min_memory_version="5"))


def pages(memory: InMemoryMemory, wanted: Listing, *, page_size: int) -> list[Page]:
    list_exemplars = ListExemplars(memory)
    found = [list_exemplars(BIRDS, wanted, page_size=page_size)]
    while found[-1].next_token:
        found.append(list_exemplars(BIRDS, wanted, page_size=page_size, token=found[-1].next_token))
    return found


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 5])
def test_pages_hold_every_exemplar_once_in_order(memory: InMemoryMemory, page_size: int) -> None:
    found = pages(memory, Listing(), page_size=page_size)

    assert [each.exemplar_id for page in found for each in page.exemplars] == ["n1", "r1", "r2", "w1"]
    assert all(page.exemplars for page in found)


def test_a_listing_may_be_of_one_label_or_of_what_meets_conditions(memory: InMemoryMemory) -> None:
    of_label = pages(memory, Listing("robin"), page_size=1)
    of_id = pages(memory, Listing(ids=frozenset({"w1", "nobody"})), page_size=1)
    of_place = pages(memory, Listing(conditions=(Condition("place", one_of=("hedge",)),)), page_size=1)

    assert [each.exemplar_id for page in of_label for each in page.exemplars] == ["r1", "r2"]
    assert [each.exemplar_id for page in of_id for each in page.exemplars] == ["w1"]
    assert [each.exemplar_id for page in of_place for each in page.exemplars] == ["w1"]


def test_a_listing_of_ids_has_those_that_there_are_in_order(memory: InMemoryMemory) -> None:
    listed = ListExemplars(memory)(BIRDS, Listing(ids=frozenset({"w1", "r1", "nobody"})))
    rest = ListExemplars(memory)(
        BIRDS, Listing(label="wren", ids=frozenset({"w1", "r1"})), token=page_token("r1")
    )

    assert [each.exemplar_id for each in listed.exemplars] == ["r1", "w1"]
    assert [each.exemplar_id for each in rest.exemplars] == ["w1"]


def test_writes_between_two_pages_neither_repeat_nor_lose_an_exemplar(memory: InMemoryMemory) -> None:
    first = ListExemplars(memory)(BIRDS, Listing(), page_size=2)
    memory.remember(BIRDS, encoded("a0", "robin", [NORTH]))
    memory.remember(BIRDS, encoded("s1", "robin", [NORTH]))
    memory.forget(BIRDS, "r1")

    second = ListExemplars(memory)(BIRDS, Listing(), page_size=9, token=first.next_token)

    assert [each.exemplar_id for each in second.exemplars] == ["r2", "s1", "w1"]


def test_the_usual_page_unless_asked(memory: InMemoryMemory) -> None:
    for number in range(LIMITS.default_page_size):
        memory.remember(BIRDS, encoded(f"x{number}", "robin", [NORTH]))

    page = ListExemplars(memory)(BIRDS, Listing())

    assert len(page.exemplars) == LIMITS.default_page_size
    assert page.next_token == page_token(page.exemplars[-1].exemplar_id)


def test_a_page_that_is_too_large_is_refused(memory: InMemoryMemory) -> None:
    with pytest.raises(InvalidInput) as refused:
        ListExemplars(memory)(BIRDS, Listing(), page_size=LIMITS.page_size + 1)

    assert refused.value.field == "page_size"


def test_an_export_gives_every_exemplar_with_its_embeddings(memory: InMemoryMemory) -> None:
    found = list(ExportExemplars(memory)(BIRDS))

    assert [each.exemplar.exemplar_id for each in found] == ["n1", "r1", "r2", "w1"]
    assert all(each.embeddings for each in found)


def test_labels_are_counted_in_order(memory: InMemoryMemory) -> None:
    memory.remember(BIRDS, encoded("a", "auk", [NORTH]))

    counts = ListLabels(memory)(BIRDS)

    assert counts.exemplars == (("auk", 1), ("robin", 2), ("wren", 2))
    assert counts.memory_version == "5"


def test_candidates_come_with_what_their_label_was_taught_about_its_looks(memory: InMemoryMemory) -> None:
    memory.remember(BIRDS, described("t1", "robin", "red breast"))
    memory.remember(BIRDS, described("t2", "robin", "thin bill"))

    options = RecognitionOptions(exclude_exemplar_ids=("t2",))
    (found,) = recaller(memory)(BIRDS, [RegionEmbeddings("0", (NORTH,))], options).candidates

    assert {each.label: each.descriptions for each in found.candidates} == {
        "robin": ("red breast",),
        "wren": (),
    }
