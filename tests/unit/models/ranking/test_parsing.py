"""Whatever a model writes becomes a permutation of the candidates, with what was done to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.ranking.parsing import Parsed, Repair, Status, parse
from models.ranking.templates import listed

OWLS = ("barn owl", "tawny owl", "eagle owl")
PLANES = ("Boeing 737-200", "Boeing 737-300", "DR-400")
ODD = ('owl, "great" [male]', "l'effraie", "owl\nnewline")
OK, REPAIRED, FALLBACK = Status.OK, Status.REPAIRED, Status.FALLBACK


@dataclass(frozen=True)
class Case:
    """One answer and what it means."""

    answer: str
    labels: tuple[str, ...]
    order: tuple[int, ...]
    status: Status
    repairs: tuple[str, ...] = ()


CASES = {
    "as asked": Case('["tawny owl", "barn owl", "eagle owl"]', OWLS, (1, 0, 2), OK),
    "single quotes": Case("['tawny owl', 'barn owl', 'eagle owl']", OWLS, (1, 0, 2), OK),
    "typographic quotes": Case("[“tawny owl”, “barn owl”, “eagle owl”]", OWLS, (1, 0, 2), OK),
    "no quotes": Case("[tawny owl, barn owl, eagle owl]", OWLS, (1, 0, 2), OK),
    "words around": Case('Sure! ["eagle owl", "barn owl", "tawny owl"] I hope so.', OWLS, (2, 0, 1), OK),
    "fenced": Case('```json\n["eagle owl",\n "barn owl",\n "tawny owl"]\n```', OWLS, (2, 0, 1), OK),
    "an object": Case('{"ranking": ["eagle owl", "barn owl", "tawny owl"]}', OWLS, (2, 0, 1), OK),
    "objects in a list": Case(
        '[{"name": "eagle owl", "p": 0.8}, {"name": "barn owl", "p": 0.1}]',
        OWLS,
        (2, 0, 1),
        REPAIRED,
        ("appended", "dropped"),
    ),
    "one object a name": Case(
        '[{"name": "eagle owl"}, {"name": "barn owl"}, {"name": "tawny owl"}]', OWLS, (2, 0, 1), OK
    ),
    "nested lists": Case('[["eagle owl"], ["barn owl", "tawny owl"]]', OWLS, (2, 0, 1), OK),
    "after thinking": Case(
        '<think>["barn owl"?]</think>["eagle owl", "barn owl", "tawny owl"]', OWLS, (2, 0, 1), OK
    ),
    "a remark in brackets first": Case('[Note] ["eagle owl", "barn owl", "tawny owl"]', OWLS, (2, 0, 1), OK),
    "trailing comma": Case('["eagle owl", "barn owl", "tawny owl",]', OWLS, (2, 0, 1), OK),
    "other case": Case('["Tawny Owl", "BARN OWL", "eagle owl"]', OWLS, (1, 0, 2), REPAIRED, ("folded",)),
    "blanks and stops": Case(
        '[" tawny  owl. ", "barn owl", "eagle owl"]', OWLS, (1, 0, 2), REPAIRED, ("folded",)
    ),
    "full width": Case('["ｔａｗｎｙ owl", "barn owl", "eagle owl"]', OWLS, (1, 0, 2), REPAIRED, ("folded",)),  # noqa: RUF001
    "with Latin": Case(
        '["tawny owl (Strix aluco)", "barn owl", "eagle owl"]', OWLS, (1, 0, 2), REPAIRED, ("folded",)
    ),
    "with reasons": Case(
        '["tawny owl - round head", "barn owl: pale", "eagle owl"]', OWLS, (1, 0, 2), REPAIRED, ("folded",)
    ),
    "first word only": Case('["tawny", "barn", "eagle"]', OWLS, (1, 0, 2), REPAIRED, ("prefix",)),
    "a letter too many": Case(
        '["tawney owl", "barn owl", "eagle owl"]', OWLS, (1, 0, 2), REPAIRED, ("edited",)
    ),
    "hyphen and plural": Case(
        '["tawny-owls", "barn owl", "eagle owl"]', OWLS, (1, 0, 2), REPAIRED, ("edited",)
    ),
    "another name": Case(
        '["snowy owl", "eagle owl", "barn owl", "tawny owl"]', OWLS, (2, 0, 1), REPAIRED, ("dropped",)
    ),
    "twice": Case(
        '["tawny owl", "tawny owl", "barn owl", "eagle owl"]', OWLS, (1, 0, 2), REPAIRED, ("duplicate",)
    ),
    "twice in other words": Case(
        '["tawny owl", "Tawny", "barn owl", "eagle owl"]', OWLS, (1, 0, 2), REPAIRED, ("duplicate",)
    ),
    "one is missing": Case('["eagle owl", "tawny owl"]', OWLS, (2, 1, 0), REPAIRED, ("appended",)),
    "only the best": Case('["eagle owl"]', OWLS, (2, 0, 1), REPAIRED, ("appended",)),
    "cut off": Case('["eagle owl", "tawny o', OWLS, (2, 1, 0), REPAIRED, ("appended", "no_list", "prefix")),
    "cut off before a name can be told": Case(
        '["eagle owl", "', OWLS, (2, 0, 1), REPAIRED, ("appended", "no_list")
    ),
    "numbered lines": Case(
        "1. eagle owl\n2. barn owl\n3. tawny owl", OWLS, (2, 0, 1), REPAIRED, ("no_list",)
    ),
    "bold bullets": Case(
        "- **eagle owl**\n- **barn owl**\n- **tawny owl**", OWLS, (2, 0, 1), REPAIRED, ("no_list",)
    ),
    "lettered lines": Case(
        "A. eagle owl\nB. barn owl\nC. tawny owl", OWLS, (2, 0, 1), REPAIRED, ("no_list",)
    ),
    "one line": Case("eagle owl, barn owl, tawny owl", OWLS, (2, 0, 1), REPAIRED, ("no_list",)),
    "arrows": Case("eagle owl > barn owl > tawny owl", OWLS, (2, 0, 1), REPAIRED, ("no_list",)),
    "the name alone": Case("tawny owl", OWLS, (1, 0, 2), REPAIRED, ("appended", "no_list")),
    "a sentence": Case("I cannot see an animal in this picture.", OWLS, (0, 1, 2), FALLBACK),
    "nothing": Case("", OWLS, (0, 1, 2), FALLBACK),
    "an empty list": Case("[]", OWLS, (0, 1, 2), FALLBACK),
    "other names alone": Case('["cat", "dog", "mouse"]', OWLS, (0, 1, 2), FALLBACK),
    "numbers": Case("[2, 1, 3]", OWLS, (0, 1, 2), FALLBACK),
    "too short to be a beginning": Case('["e", "ta", ""]', OWLS, (0, 1, 2), FALLBACK),
    "what two may mean": Case('["Boeing"]', PLANES, (0, 1, 2), FALLBACK),
    "a number more is another plane": Case(
        '["Boeing 737-400", "DR 400", "Boeing 737-300"]',
        PLANES,
        (2, 1, 0),
        REPAIRED,
        ("appended", "dropped", "edited"),
    ),
    "another number alone": Case('["Boeing 737-300"]', ("Boeing 737-200", "DR-400"), (0, 1), FALLBACK),
    "a beginning that is a word of its own": Case(
        '["owl", "gull"]', ("owlet", "gull"), (1, 0), REPAIRED, ("appended", "dropped")
    ),
    "hostile names as shown": Case(f"[{listed(ODD)}]", ODD, (0, 1, 2), OK),
    "hostile names turned round": Case(f"[{listed(ODD[::-1])}]", ODD, (2, 1, 0), OK),
    "an apostrophe between single quotes": Case(
        "['l'effraie', 'owl, \\'great\\' [male]']", ODD, (1, 0, 2), REPAIRED, ("appended", "edited")
    ),
    "equal names": Case('["owl", "owl", "cat"]', ("owl", "cat", "owl"), (0, 2, 1), OK),
    "names that differ in case alone": Case(
        '["OWL", "owl"]', ("Owl", "owl"), (1, 0), REPAIRED, ("appended", "dropped")
    ),
    "no candidates": Case('["owl"]', (), (), FALLBACK),
}


def check(case: Case) -> None:
    found = parse(case.answer, case.labels)

    assert found.order == case.order
    assert found.status is case.status
    assert tuple(repair.value for repair, _ in found.repairs) == case.repairs


@pytest.mark.parametrize("name", CASES)
def test_each_answer_is_read_as_agreed(name: str) -> None:
    check(CASES[name])


@pytest.mark.parametrize("seed", range(5))
def test_answers_in_any_order_leave_nothing_behind(seed: int) -> None:
    cases = list(CASES.values()) * 2

    for i in np.random.default_rng(seed).permutation(len(cases)):
        check(cases[i])


def permutation(found: Parsed, count: int) -> bool:
    return sorted(found.order) == list(range(count))


LABELS = st.lists(st.text(max_size=8) | st.sampled_from([*OWLS, *PLANES, *ODD]), max_size=6)
FRAGMENTS = st.lists(
    st.sampled_from(
        [*OWLS, *PLANES, *ODD, "[", "]", '"', "'", ",", "\\", "{", "}", ":", "\n", "1. ", "owl", "\\u{"]
    )
    | st.text(max_size=3),
    max_size=30,
).map("".join)


@given(answer=st.text(st.characters(codec=None, categories=None)) | FRAGMENTS, labels=LABELS)
@example(answer="[" * 500, labels=["a"])
def test_any_text_is_a_permutation_with_a_status(answer: str, labels: list[str]) -> None:
    found = parse(answer, labels)

    assert permutation(found, len(labels))
    assert (found.status is FALLBACK) == (found.named == 0)
    assert found.order[found.named :] == tuple(sorted(found.order[found.named :]))


@given(labels=st.lists(st.text(), min_size=1, max_size=8, unique=True), seed=st.integers(0, 99))
def test_the_list_as_it_was_asked_for_is_read_exactly(labels: list[str], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(labels)).tolist()

    found = parse(f"[{listed([labels[i] for i in order])}]", labels)

    assert found.order == tuple(order)
    assert found.status is OK


def test_a_book_for_an_answer_costs_no_more_than_its_beginning() -> None:
    answer = '["barn ow", ' * 100_000
    labels = [f"{name} {i}" for i in range(100) for name in OWLS]

    assert permutation(parse(answer, labels), 300)
    assert permutation(parse("[" * 100_000, labels), 300)


def test_repairs_are_counted() -> None:
    found = parse('["cat", "dog", "Barn Owl"]', OWLS)

    assert found.repairs == ((Repair.APPENDED, 2), (Repair.DROPPED, 2), (Repair.FOLDED, 1))
    assert found.named == 1
