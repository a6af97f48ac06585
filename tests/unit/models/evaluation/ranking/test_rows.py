from pathlib import Path

import numpy as np
import pytest

from models.evaluation.emoji import VOTES
from models.evaluation.encoders import VISUAL
from models.evaluation.ranking.choices import by_evidence, of_four
from models.evaluation.ranking.evidence import Kept, gathered, key_of
from models.evaluation.ranking.questions import CANDIDATES, Question, ask, by_picture
from models.evaluation.ranking.rows import EVERYTHING, EXEMPLARS, judged
from models.evaluation.ranking.sets import Asked
from models.ranking.joining import Weights
from tests.unit.models.evaluation.ranking.cases import picture, question

EQUAL = Weights(({"retrieval": 1.0, "pairs": 1.0},))


class Second:
    """Thinks the second candidate likely, and counts how often it is asked."""

    name = "pairs"
    digest = "0" * 64

    def __init__(self) -> None:
        self.times = 0

    def say(self, question: Question) -> np.ndarray | None:
        self.times += 1
        if question.group == "silent":
            return None
        said = np.full(len(question.labels), -5.0)
        said[1] = 0.0
        return said


def test_votes_are_those_of_the_service() -> None:
    axis = np.eye(3)
    memory = by_picture(["a", "b"], axis, np.array([0, 0, 1]), [picture(str(i)) for i in range(3)])
    vector = np.array([0.6, 0.6, 0.5])

    found = ask(picture("asked"), vector, memory, truth="b")

    votes = np.exp((vector - VOTES[VISUAL].reference) / VOTES[VISUAL].temperature)
    total = votes.sum()
    assert found.labels == ("a", "b")
    assert found.shares == pytest.approx([votes[:2].sum() / total, votes[2] / total])
    assert found.unknown == pytest.approx(1 / (1 + total))
    assert found.margin == pytest.approx(found.shares[0] - found.shares[1])
    assert [len(some) for some in found.exemplars] == [2, 1]
    assert (found.truth, found.is_right) == (1, False)


def test_ten_candidates_are_proposed_and_a_truth_beyond_them_is_none_of_them() -> None:
    count = CANDIDATES + 1
    memory = by_picture(
        [f"{i:02}" for i in range(count)],
        np.eye(count),
        np.arange(count),
        [picture(str(i)) for i in range(count)],
    )

    found = ask(picture("asked"), np.linspace(1, 0, count), memory, truth=f"{CANDIDATES:02}")

    assert len(found.labels) == CANDIDATES
    assert found.truth == -1


def test_who_ranks_is_judged_beside_retrieval_on_the_same_pictures(tmp_path: Path) -> None:
    questions = (question([0.5, 0.4], 1), question([0.9, 0.1], 0, name="other"))
    said = gathered(questions, [Kept(Second(), tmp_path)])

    found = judged(Asked("cases", 1, questions, 2), said, EQUAL)

    assert found.retrieved.right.tolist() == [False, True]
    assert found.ways[EXEMPLARS].right.tolist() == [True, False]
    assert found.ways[EVERYTHING].right.tolist() == [True, False]
    assert found.within.value == 1
    assert found.outcomes().margins == pytest.approx([0.1, 0.8])


def test_where_nobody_says_anything_retrieval_stands(tmp_path: Path) -> None:
    questions = (question([0.5, 0.4], 1, group="silent"),)

    found = judged(Asked("cases", 1, questions, 2), gathered(questions, [Kept(Second(), tmp_path)]), EQUAL)

    assert not found.ways
    assert found.retrieved.share.value == 0


def test_what_was_asked_once_is_kept_and_silence_too(tmp_path: Path) -> None:
    questions = [question([0.5, 0.4], 1), question([0.5, 0.3, 0.2], 0, name="silent", group="silent")]
    source = Second()
    first = Kept(source, tmp_path).say(questions)
    again = Kept(source, tmp_path).say(questions)

    assert source.times == 2
    assert first[0] is not None
    assert again[0] is not None
    assert first[0].tolist() == again[0].tolist() == [-5, 0]
    assert first[1] is again[1] is None


def test_another_picture_or_another_order_is_another_question() -> None:
    asked = question([0.5, 0.4], 1)

    assert key_of(asked) == key_of(question([0.6, 0.3], 0))
    assert key_of(asked) != key_of(question([0.5, 0.4], 1, name="other"))
    assert key_of(asked) != key_of(question([0.5, 0.4, 0.1], 1))


def test_the_likeliest_others_distract() -> None:
    found = of_four([question([0.4, 0.3, 0.1, 0.1, 0.06, 0.04], 4), question([0.5, 0.3, 0.2], 0)])

    assert len(found) == 1  # three candidates are too few
    assert found[0].labels == ("a", "b", "c", "e")
    assert found[0].labels[found[0].truth] == "e"
    assert found[0].shares.tolist() == [0.4, 0.3, 0.1, 0.06]
    assert len(found[0].exemplars) == 4
    chosen = by_evidence(
        "pairs", found, [{"pairs": np.array([-9.0, -9.0, -9.0, 0.0])}], Weights(({"pairs": 1.0},))
    )
    assert chosen.right.value == 1
