"""A thing's name in other words finds its class, or none, and it is told how."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ranking.open_set import Match, Matching, Vocabulary

LABELS = ("barn owl", "tawny owl", "Gull", "gull")
SYNONYMS = {"barn owl": ["Tyto alba", "owl"], "tawny owl": ["Strix aluco", "owl"]}


def letters_of(texts: Sequence[str]) -> np.ndarray:
    """Return how often each letter stands in a text, as a unit vector."""
    counts = np.array([[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], float) + 1e-9
    return np.asarray(counts / np.linalg.norm(counts, axis=1, keepdims=True))


VOCABULARY = Vocabulary(LABELS, synonyms=SYNONYMS, embed=letters_of, least=0.6)


@pytest.mark.parametrize(
    ("said", "label", "matching"),
    [
        ("barn owl", "barn owl", Matching.EXACT),
        (" gull ", "gull", Matching.EXACT),
        ("A Barn-Owl.", "barn owl", Matching.NORMALISED),
        ("the tawny_owl", "tawny owl", Matching.NORMALISED),
        ("tyto  ALBA", "barn owl", Matching.SYNONYM),
        ("barn owls", "barn owl", Matching.NEAREST),
        ("zzz", None, Matching.NONE),
        ("", None, Matching.NONE),
        ("...", None, Matching.NONE),
    ],
)
def test_names_are_found_in_the_order_of_certainty(said: str, label: str | None, matching: Matching) -> None:
    found = VOCABULARY.match(said)

    assert (found.label, found.matching) == (label, matching)


def test_what_two_classes_are_called_is_neithers_synonym() -> None:
    assert VOCABULARY.match("OWL").matching is not Matching.SYNONYM
    assert VOCABULARY.match("owl", among=["tawny owl", "gull"]) == Match("tawny owl", Matching.SYNONYM, 1.0)
    assert VOCABULARY.match("GULL", among=["gull"]) == Match("gull", Matching.NORMALISED, 1.0)


def test_only_candidates_count_where_they_are_given() -> None:
    assert VOCABULARY.match("barn owl", among=["tawny owl", "gull"]).label == "tawny owl"
    assert VOCABULARY.match("barn owl", among=["gull"]).label is None
    assert VOCABULARY.match("barn owl", among=[]).label is None


def test_without_embeddings_only_names_are_found() -> None:
    assert Vocabulary(LABELS).match("barn owls") == Match(None, Matching.NONE, 0.0)


@given(said=st.text(max_size=30))
def test_any_words_are_a_class_or_none(said: str) -> None:
    found = VOCABULARY.match(said)

    assert found.label in {*LABELS, None}
    assert (found.label is None) == (found.matching is Matching.NONE)


def test_embeddings_that_are_not_numbers_find_nothing() -> None:
    broken = Vocabulary(LABELS, embed=lambda texts: np.full((len(texts), 2), np.nan))

    assert broken.match("barn owls").label is None


@pytest.mark.parametrize(("labels", "synonyms"), [((), {}), (("a", "a"), {}), (("a",), {"b": ["c"]})])
def test_a_vocabulary_has_classes_each_once(labels: tuple[str, ...], synonyms: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match="class"):
        Vocabulary(labels, synonyms=synonyms)
