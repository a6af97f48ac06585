"""Differences between states of a memory, over the real memory and what is kept of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from services.retrieval.domain import Scope
from services.retrieval.domain.versions import Drop, Edit, Restore, StateName, same
from services.retrieval.usecases.overlay import Overlay
from tests.fakes.exemplars import BIRDS, embedding, encoded
from tests.fakes.folders import IN_MEMORY
from tests.fakes.memory import InMemoryView
from tests.fakes.shelves import labels
from tests.unit.retrieval.stating import CENTRES, Case, bird


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
