"""Why an answer was given, asked of a whole process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import fovea
from fovea.client import NotFound
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.processes import Program


@pytest.fixture
def client(allinone: Program, calls: Calls) -> Iterator[fovea.Client]:
    with fovea.Client(allinone.target, collection=calls.key.collection, timeout_s=60) as opened:
        yield opened


@pytest.fixture
def taught(client: fovea.Client) -> dict[str, str]:
    """Return the exemplar of each label."""
    return {label: client.teach_image(label, png(label, seed=1)).exemplar_id for label in COLOURS}


@pytest.mark.usefixtures("taught")
def test_a_recognition_is_replayed_and_what_changed_since_is_named(client: fovea.Client) -> None:
    record = client.recognize(png("poppy", seed=7)).recognition_id

    assert {step.outcome for step in client.replay_recognition(record)} == {"same"}

    newer = client.teach_image("poppy", png("poppy", seed=7)).exemplar_id
    steps = {step.name: step for step in client.replay_recognition(record)}

    assert [step.outcome for step in steps.values()] == ["same", "same", "differs", "same"]
    assert [each.place for each in steps["retrieval"].made_with] == ["memory_version"]
    assert any(each.now == newer for each in steps["retrieval"].differences)


def test_without_its_only_exemplar_a_label_is_no_answer(client: fovea.Client, taught: dict[str, str]) -> None:
    answer = client.recognize(png("fern", seed=7))
    assert answer.labels[0].label == "fern"

    explanation = client.explain(answer.recognition_id)

    (without,) = explanation.counterfactuals
    assert without.exemplar_ids == (taught["fern"],)
    assert without.answer.label != "fern"
    assert not explanation.memory_changed

    client.forget([taught["fern"]])
    later = client.explain(answer.recognition_id, exemplars=0)
    assert later.memory_changed
    assert later.answer.label == explanation.answer.label
    assert later.today is not None
    assert later.today.label != "fern"


@pytest.mark.usefixtures("taught")
def test_what_is_not_there_cannot_be_explained(client: fovea.Client) -> None:
    with pytest.raises(NotFound):
        client.explain("never-was")
    record = client.recognize(png("fern", seed=9)).recognition_id
    with pytest.raises(NotFound, match="no region 5"):
        client.explain(record, region_id="5")
