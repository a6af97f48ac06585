import pytest

import fovea
from fovea.client import Answer, Difference, NotFound
from tests.fakes.gateway_server import FakeServer


def test_a_replay_has_every_step_with_what_differs(client: fovea.Client, server: FakeServer) -> None:
    record = client.recognize(b"goldfinch").recognition_id
    assert {step.outcome for step in client.replay_recognition(record)} == {"same"}

    server.explanations.memory_version = "m2"
    server.explanations.image_gone = True
    steps = {step.name: step for step in client.replay_recognition(record)}

    assert [step.outcome for step in steps.values()] == ["same", "same", "differs", "not_run"]
    assert steps["retrieval"].made_with == (Difference("memory_version", "m1", "m2"),)
    assert len(steps["retrieval"].differences) == 7
    assert isinstance(steps["ranking"].failure, NotFound)


def test_an_explanation_has_the_record_and_what_is_left_without_its_exemplars(
    client: fovea.Client, server: FakeServer
) -> None:
    record = client.using(tenant="acme").recognize(b"goldfinch").recognition_id

    explanation = client.using(tenant="acme").explain(record, region_id="0", exemplars=1)

    assert explanation.recognition.recognition_id == record
    assert explanation.region == explanation.recognition.regions[0]
    assert explanation.answer == explanation.today == Answer("goldfinch", 0.9)
    assert not explanation.memory_changed
    first, both = explanation.counterfactuals
    assert (first.exemplar_ids, first.answer, first.changes) == (("x1",), Answer(None, 0.7), True)
    assert (both.exemplar_ids, both.changes) == (("x1", "x2"), False)
    (request,) = server.script.requests["ExplainRecognition"]
    assert (request.tenant, request.region_id, request.exemplars) == ("acme", "0", 1)


def test_a_memory_that_changed_and_a_picture_that_is_gone_are_told(
    client: fovea.Client, server: FakeServer
) -> None:
    record = client.recognize(b"goldfinch").recognition_id
    server.explanations.memory_version = "m2"
    assert client.explain(record).memory_changed

    server.explanations.image_gone = True
    explanation = client.explain(record)
    assert explanation.today is None
    assert not explanation.memory_changed
    assert isinstance(explanation.failure, NotFound)


def test_a_recognition_that_is_not_there_is_not_found(client: fovea.Client) -> None:
    with pytest.raises(NotFound):
        client.explain("nothing")
    with pytest.raises(NotFound):
        client.replay_recognition("nothing")
