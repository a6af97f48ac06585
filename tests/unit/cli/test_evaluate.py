from pathlib import Path

import numpy as np
import pytest

from fovea.cli.scores import Asked, Score, scores, threshold_for
from fovea.client import Box, BroaderLabel, Candidate, RankedLabel, Region, Status
from tests.fakes.gateway_server import FakeServer
from tests.unit.cli.conftest import Run, rows

PARENTS = {"goldfinch": "finch", "siskin": "finch", "finch": "bird", "wren": "bird", "bird": ""}
LABELS = frozenset({"goldfinch", "siskin", "wren"})


def asked(truth: str, *labels: str, broader: str = "", unknown: bool = False) -> Asked:
    region = Region(
        "0",
        Box(0, 0, 1, 1),
        tuple(RankedLabel(label, 0.1) for label in labels),
        0.1,
        Status.UNKNOWN if unknown else Status.DEGRADED,
        candidates=tuple(Candidate(label, 0.1) for label in labels),
        broader=BroaderLabel(broader, 0.6, 1) if broader else None,
    )
    return Asked(truth, region)


def counted(*answers: Asked, parents: dict[str, str] | None = None) -> dict[str, tuple[int, int]]:
    found = scores(answers, LABELS, PARENTS if parents is None else parents)
    return {each.measure: (each.hits, each.n) for each in found}


def test_candidates_bound_what_can_be_right() -> None:
    many = [f"other {number}" for number in range(6)]

    found = counted(
        asked("wren", "wren", "siskin"),
        asked("wren", "siskin", "wren"),
        asked("wren", *many, "wren"),
        parents={},
    )

    assert found == {
        "among 1 candidates": (1, 3),
        "among 5 candidates": (2, 3),
        "among 10 candidates": (3, 3),
        "among 20 candidates": (3, 3),
        "first": (1, 3),
        "in the first five": (2, 3),
        "answered unknown": (0, 3),
    }


def test_an_answer_is_right_at_its_level_if_the_truth_is_a_kind_of_it() -> None:
    found = counted(
        asked("goldfinch", "siskin", "goldfinch", broader="finch"),
        asked("wren", "siskin", "goldfinch", broader="finch"),
        asked("wren", "wren"),
        asked("wren", "wren", unknown=True),
    )

    assert found["right at its level"] == (2, 4)
    assert found["answered broadly"] == (2, 4)
    assert found["of those, right"] == (1, 2)
    assert found["first"] == (2, 4)
    assert found["answered unknown"] == (1, 4)


def test_what_was_never_taught_is_counted_apart() -> None:
    found = counted(asked("wren", "wren"), asked("emu", "wren", unknown=True), asked("rhea", "wren"))

    assert found["first"] == (1, 1)
    assert found["never taught, unknown"] == (1, 2)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(0, 0, 0, 1), (0, 10, 0, 0.278), (7, 10, 0.397, 0.892)]
)
def test_the_interval_is_wilsons(hits: int, n: int, low: float, high: float) -> None:
    score = Score.of("x", [True] * hits + [False] * (n - hits))

    assert score.low == pytest.approx(low, abs=1e-3)
    assert score.high == pytest.approx(high, abs=1e-3)


def doubted(probability: float, truth: str = "wren") -> Asked:
    return Asked(truth, Region("0", Box(0, 0, 1, 1), (), probability, Status.DEGRADED))


@pytest.mark.parametrize(
    ("mistaken", "threshold"), [(0.5, 0.5), (0.1, 0.9), (0.01, 1.0), (0.0, 1.0), (1.0, 0.0)]
)
def test_a_threshold_takes_so_many_of_the_known_for_unknown_and_no_more(
    mistaken: float, threshold: float
) -> None:
    known = [doubted(number / 10) for number in range(1, 10)]
    strange = [doubted(0.99, "emu")] * 50

    assert threshold_for([*known, *strange], LABELS, mistaken=mistaken) == threshold


def test_a_threshold_that_was_calibrated_holds_for_other_pictures() -> None:
    random = np.random.default_rng(0)

    def flagged() -> float:
        chosen, others = random.beta(1, 6, 99), random.beta(1, 6, 200)
        threshold = threshold_for([doubted(each) for each in chosen], LABELS, mistaken=0.1)
        return float((others > threshold).mean())

    assert np.mean([flagged() for _ in range(300)]) == pytest.approx(0.1, abs=0.01)


def test_pictures_in_folders_are_asked_and_counted(run: Run, server: FakeServer, tmp_path: Path) -> None:
    for label, contents in {"goldfinch": ["goldfinch", "wren"], "wren": ["wren", "bad"]}.items():
        (tmp_path / label).mkdir()
        for number, content in enumerate(contents):
            (tmp_path / label / f"{number}.png").write_text(content)
    run("teach", "--name", "goldfinch", "--name", "wren")

    result = run("evaluate", tmp_path, "--level-threshold", "0.7", "--json")

    found = {row["measure"]: row for row in rows(result)}
    assert (found["first"]["hits"], found["first"]["n"]) == (2, 3)
    assert result.exit_code == 1  # one could not be read
    assert "wren/1.png" in result.stderr
    options = server.script.requests["RecognizeStream"][0].task.options
    assert (options.size, options.level_threshold) == (20, 0.7)
    assert "among 5 candidates" in run("evaluate", tmp_path).stdout
    assert "--unknown-threshold 0.1" in run("evaluate", tmp_path, "--calibrate", "0.5").stderr


def test_nothing_to_ask_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "wren").mkdir()

    assert run("evaluate", tmp_path).exit_code == 2
