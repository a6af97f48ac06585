"""Query sets, comparisons and differences, over the real memory and what is kept of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kernel.errors import Conflict, InvalidInput, NotFound
from services.kernel.vocabulary import EncodedExemplar, RecognitionOptions, SpaceVote
from services.retrieval.domain import Scope
from services.retrieval.domain.comparing import Changed, ComparisonSummary
from services.retrieval.domain.versions import Drop, Edit, Query, Restore, StateName, same
from services.retrieval.usecases import Voting
from services.retrieval.usecases.overlay import Overlay
from services.retrieval.usecases.versions import (
    CompareStates,
    FindDifference,
    KeepQueries,
    KeepVersion,
    States,
    Wanted,
)
from tests.fakes.exemplars import BIRDS, SEA, embedding, encoded
from tests.fakes.memory import InMemoryView
from tests.fakes.object_store import InMemoryStore
from tests.fakes.shelves import ShelvedReplica, labels

VOTING = Voting((SpaceVote("visual", weight=1.0, temperature=0.05, reference=0.5),), neighbours=5)
LIVE = StateName()
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  (where a flush costs nothing)
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


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path / "memory")


def test_a_query_set_stays_as_it_was_made(case: Case) -> None:
    case.ask(Wanted(per_label=2, seed=7))
    case.replica.remember(bird("robin0", "wren"))

    kept = case.replica.shelf.query_sets.get(BIRDS, "gold")

    assert (len(kept.queries), kept.labelled, kept.created_s) == (6, 6, 1_000.0)
    assert all(query.right_label == query.exemplar_id[:-1] for query in kept.queries)
    with pytest.raises(Conflict):
        case.ask(Wanted(per_label=1))


def test_the_same_state_gives_the_same_answers_and_no_exemplar_answers_itself(case: Case) -> None:
    case.replica.remember(encoded("alone", "dipper", [embedding(0.1, -1.0)]))
    case.ask(Wanted(exemplar_ids=("alone", "robin1")))
    case.keep("spring")

    changed, summary = case.compare(StateName("spring"), LIVE)

    assert changed == []
    assert (summary.same.count, summary.same.of) == (2, 2)
    assert (summary.right_before.count, summary.right_after.count) == (1, 1)  # nobody else is a dipper


def test_what_is_taught_wrong_shows_in_the_answers(case: Case) -> None:
    case.ask(Wanted(per_label=2))
    case.keep("spring")
    for number in range(40):
        case.replica.remember(bird(f"wrong{number}", "tit", like="robin"))

    changed, summary = case.compare(StateName("spring"), LIVE)

    assert {(each.right_label, each.before.label, each.after.label) for each in changed} == {
        ("robin", "robin", "tit")
    }
    assert len(changed) == 2
    assert (summary.right_before.count, summary.right_after.count, summary.broken) == (6, 4, 2)
    assert (summary.same.count, summary.mended) == (4, 0)
    assert summary.before_version != summary.after_version
    turned, back = case.compare(LIVE, StateName("spring"))
    assert [each.query_id for each in turned] == [each.query_id for each in changed]
    assert (back.mended, back.broken) == (2, 0)


def test_proposed_edits_are_asked_before_they_are_made(case: Case) -> None:
    wrong = [f"wrong{number}" for number in range(20)]
    for name in wrong:
        case.replica.remember(bird(name, "tit", like="robin"))
    case.ask(Wanted(exemplar_ids=("robin0", "robin1", "wren0")))
    edits = tuple(Edit(name, "robin" if number % 2 else "") for number, name in enumerate(wrong))
    before = labels(case.replica.index.view(BIRDS))

    changed, proposed = case.compare(LIVE, StateName(edits=edits))

    assert labels(case.replica.index.view(BIRDS)) == before
    assert (proposed.right_before.count, proposed.right_after.count, proposed.mended) == (1, 3, 2)
    case.keep("before")
    for edit in edits:
        made_of_it = bird(edit.exemplar_id, edit.label, like="robin") if edit.label else None
        case.replica.write(edit.exemplar_id, made_of_it)
    assert case.compare(StateName("before"), LIVE)[0] == changed


def test_unknown_is_an_answer(case: Case) -> None:
    case.ask(Wanted(queries=(Query("q", (embedding(0.2, -1.0),)),)))
    case.keep("spring")

    _, summary = case.compare(LIVE, StateName("spring"), unknown_threshold=0.1)

    assert (summary.same.of, summary.right_before.of) == (1, 0)
    case.replica.remember(bird("near", "wren"))
    case.replica.remember(encoded("nearer", "dipper", [embedding(0.2, -1.0)]))
    (changed,), _ = case.compare(StateName("spring"), LIVE, unknown_threshold=0.1)
    assert (changed.before.label, changed.after.label) == ("", "dipper")


def test_options_decide_the_answers(case: Case) -> None:
    case.ask(Wanted(per_label=1))
    silent = (SpaceVote("visual", weight=0.0, temperature=0.05, reference=0.5),)

    _, summary = case.compare(LIVE, LIVE, votes=silent)

    assert summary.right_before.count == 0


@pytest.mark.parametrize(
    ("wanted", "error", "words"),
    [
        (Wanted(), InvalidInput, "needs a sample"),
        (Wanted(per_label=5), InvalidInput, "too few in robin"),
        (Wanted(exemplar_ids=("robin0", "nobody")), NotFound, "no exemplar nobody"),
        (Wanted(queries=(Query("q", ()), Query("q", ()))), InvalidInput, "comes twice"),
        (Wanted(queries=tuple(Query(str(n), ()) for n in range(5_001))), InvalidInput, "too large"),
    ],
)
def test_a_query_set_that_would_mislead_is_refused(
    case: Case, wanted: Wanted, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        case.ask(wanted)


def test_unknown_names_are_answered_with_those_that_there_are(case: Case) -> None:
    case.ask(Wanted(per_label=1))
    with pytest.raises(NotFound, match="no version 'spring'; none was kept yet"):
        case.compare(StateName("spring"), LIVE)
    with pytest.raises(NotFound, match="no query set 'silver'; there are gold"):
        case.replica.shelf.query_sets.get(BIRDS, "silver")
    with pytest.raises(NotFound, match="no exemplar nobody to edit"):
        case.compare(LIVE, StateName(edits=(Edit("nobody"),)))


def test_questions_that_were_made_of_what_was_erased_are_not_asked(case: Case) -> None:
    case.ask(Wanted(exemplar_ids=("robin0", "wren0")))
    case.replica.shelf.register.mark(BIRDS, ["robin0"], "")

    assert [each.query_id for each in case.replica.shelf.query_sets.get(BIRDS, "gold").queries] == ["wren0"]

    case.replica.erase("robin0")
    case.replica.housekeeping.turn()
    case.replica.remember(bird("robin0", "robin"))
    case.ask(Wanted(exemplar_ids=("robin0",)), name="new")
    found = {each.name: len(each.queries) for each in case.replica.shelf.query_sets.list(BIRDS)}
    assert found == {"gold": 1, "new": 1}


def test_a_difference_to_a_version_makes_the_memory_what_it_was(case: Case) -> None:
    case.keep("spring")
    before = list(case.replica.index.view(BIRDS).encoded())
    case.replica.remember(bird("new", "wren"))
    case.replica.write("robin0", None)
    case.replica.remember(bird("tit0", "robin"))
    case.replica.erase("wren0")

    found = case.difference(BIRDS, StateName("spring"))
    changes = list(found.changes)

    assert [type(each) for each in changes] == [Drop, Restore, Restore]
    for change in changes:
        if isinstance(change, Drop):
            case.replica.write(change.exemplar_id, None)
        else:
            case.replica.remember(change.encoded)
    expected = {each.exemplar.exemplar_id: each.exemplar for each in before}
    del expected["wren0"]
    assert {each.exemplar_id: each for each in case.replica.index.view(BIRDS).exemplars()} == expected
    assert list(case.difference(BIRDS, StateName("spring")).changes) == []


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["teach", "forget", "settle"]),
        st.sampled_from(["robin0", "robin1", "wren0", "tit0", "new"]),
        st.sampled_from(list(CENTRES)),
    ),
    max_size=8,
)


@settings(max_examples=15)
@given(CHANGES, CHANGES)
def test_whatever_was_done_a_revert_makes_the_memory_equal_to_the_version(
    before: list[tuple[str, str, str]], after: list[tuple[str, str, str]]
) -> None:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        case = Case(Path(folder))
        _change(case, before)
        case.keep("spring")
        kept = list(case.replica.index.view(BIRDS).encoded())
        _change(case, after)

        for change in case.difference(BIRDS, StateName("spring")).changes:
            if isinstance(change, Drop):
                case.replica.write(change.exemplar_id, None)
            else:
                case.replica.remember(change.encoded)

        back = list(case.replica.index.view(BIRDS).encoded())
        assert len(back) == len(kept)
        assert all(same(*pair) for pair in zip(back, kept, strict=True))
        assert list(case.difference(BIRDS, StateName("spring")).changes) == []


def _change(case: Case, changes: list[tuple[str, str, str]]) -> None:
    for what, name, label in changes:
        if what == "settle":
            case.replica.settle()
        else:
            case.replica.write(name, bird(name, label) if what == "teach" else None)


def test_what_two_states_have_in_the_same_segments_is_not_read(case: Case) -> None:
    case.replica.settle()
    case.keep("spring")
    case.replica.write("robin0", None)
    case.replica.remember(bird("tit0", "robin"))
    versions = case.replica.shelf.versions

    now, then = versions.unshared(case.replica.index.view(BIRDS), versions.view(BIRDS, "spring"))

    assert labels(now) == {"tit0": "robin"}
    assert labels(then) == {"robin0": "robin", "tit0": "tit"}


def test_a_difference_to_edits_is_the_edits_that_change_something(case: Case) -> None:
    edits = (Edit("wren1"), Edit("tit1", "robin"), Edit("robin1", "robin"))

    changes = list(case.difference(BIRDS, StateName(edits=edits)).changes)

    relabelled, dropped = changes
    assert isinstance(relabelled, Restore)
    assert (relabelled.encoded.exemplar.exemplar_id, relabelled.encoded.exemplar.label) == ("tit1", "robin")
    assert dropped == Drop("wren1")


def test_collections_do_not_see_what_is_kept_of_each_other(case: Case) -> None:
    case.ask(Wanted(per_label=1))
    case.keep("spring")

    assert list(case.replica.shelf.versions.list(SEA)) == []
    assert list(case.replica.shelf.query_sets.list(SEA)) == []


ENTRIES = st.dictionaries(
    st.sampled_from("abcdef"), st.tuples(st.sampled_from(["robin", "wren"]), st.integers(0, 4))
)


def view_of(entries: dict[str, tuple[str, int]]) -> InMemoryView:
    return InMemoryView(
        "1", {name: encoded(name, label, [embedding(turn, 1)]) for name, (label, turn) in entries.items()}
    )


@given(
    ENTRIES, ENTRIES, st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abc")), st.integers(1, 7)
)
def test_an_overlay_answers_as_a_memory_in_which_the_changes_were_made(
    entries: dict[str, tuple[str, int]],
    changed: dict[str, tuple[str, int]],
    gone: set[str],
    excluded: set[str],
    most: int,
) -> None:
    base, above = view_of(entries), view_of(changed)
    overlay = Overlay(base, {**dict.fromkeys(gone), **above.entries})
    made = view_of({**{name: each for name, each in entries.items() if name not in gone}, **changed})
    scope = Scope(excluded=frozenset(excluded))

    (found,) = overlay.nearest([embedding(2, 1)], most=most, scope=scope)
    (expected,) = made.nearest([embedding(2, 1)], most=most, scope=scope)

    assert [(hit.exemplar, round(hit.similarity, 9)) for hit in found.hits] == [
        (hit.exemplar, round(hit.similarity, 9)) for hit in expected.hits
    ]
