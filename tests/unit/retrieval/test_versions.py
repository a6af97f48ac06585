"""Query sets, comparisons and differences, over the real memory and what is kept of it."""

from __future__ import annotations

import pytest

from services.kernel.errors import Conflict, InvalidInput, NotFound
from services.kernel.vocabulary import SpaceVote
from services.retrieval.domain.versions import Edit, Query, StateName
from services.retrieval.usecases.versions import (
    Wanted,
)
from tests.fakes.exemplars import BIRDS, SEA, embedding, encoded
from tests.fakes.shelves import labels
from tests.unit.retrieval.stating import LIVE, Case, bird


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


def test_collections_do_not_see_what_is_kept_of_each_other(case: Case) -> None:
    case.ask(Wanted(per_label=1))
    case.keep("spring")

    assert list(case.replica.shelf.versions.list(SEA)) == []
    assert list(case.replica.shelf.query_sets.list(SEA)) == []
