from pathlib import Path

import pytest
from grpc import StatusCode

import fovea
from fovea.client import DeadlineExceeded, InvalidInput, NotFound, Overloaded
from tests.fakes.gateway_server import FakeServer
from tests.fakes.script import Trouble


def test_a_class_is_taught_by_picture_name_and_attribute(client: fovea.Client) -> None:
    client.teach_image(
        "goldfinch", b"a goldfinch", region=(1, 2, 3, 4), attributes={"adult": True, "cm": 12.5}
    )
    client.teach_name("goldfinch", "European goldfinch")
    client.teach_name("wren")
    client.teach_attribute("goldfinch", "red face")

    kept = {(exemplar.label, exemplar.kind): exemplar for exemplar in client.exemplars()}
    assert kept["goldfinch", "image"].box == (1, 2, 3, 4)
    assert kept["goldfinch", "image"].attributes == {"adult": True, "cm": 12.5}
    assert kept["goldfinch", "name"].text == "European goldfinch"
    assert kept["wren", "name"].text == "wren"
    assert kept["goldfinch", "attribute"].text == "red face"
    assert {entry.label: entry.exemplars for entry in client.labels()} == {"goldfinch": 3, "wren": 1}


def test_what_the_server_refuses_to_learn_is_raised(client: fovea.Client) -> None:
    with pytest.raises(InvalidInput) as caught:
        client.teach_image("goldfinch", b"bad")

    assert (caught.value.reason, caught.value.field) == ("IMAGE_UNREADABLE", "image")


def test_of_many_lessons_the_bad_ones_are_told_apart(client: fovea.Client, tmp_path: Path) -> None:
    lessons = [
        fovea.Lesson("a", image=b"1"),
        fovea.Lesson("b", image=b"bad"),
        fovea.Lesson("c", image=tmp_path / "nothing.png"),
        fovea.Lesson("d", image=b"2", name="both"),
        fovea.Lesson("e"),
    ]

    taught = list(client.teach(lessons))

    assert [one.failed for one in taught] == [False, True, True, True, False]
    assert [one.lesson.label for one in taught] == ["a", "b", "c", "d", "e"]
    reasons = [one.failure.reason for one in taught if one.failure]
    assert reasons == ["IMAGE_UNREADABLE", "FILE_NOT_FOUND", "LESSON_AMBIGUOUS"]
    assert taught[4].memory_version == "v2"


def test_teaching_goes_on_after_a_disconnect(client: fovea.Client, server: FakeServer) -> None:
    server.script.plan("Remember", Trouble(after_answers=3))

    taught = list(client.teach(fovea.Lesson(f"class {number}") for number in range(20)))

    assert not any(one.failed for one in taught)
    assert len(server.memory.exemplars) == 20


def test_a_single_lesson_has_a_deadline(client: fovea.Client, server: FakeServer) -> None:
    server.script.delay_s = 0.5

    with pytest.raises(DeadlineExceeded):
        client.using(timeout_s=0.05).teach_name("wren")


def test_a_client_reads_what_it_wrote(client: fovea.Client, server: FakeServer) -> None:
    client.recognize(b"x")
    client.teach_name("wren")
    client.recognize(b"x")
    client.labels()
    client.using(collection="other").recognize(b"x")
    client.recognize(b"x", options=fovea.Options(min_memory_version="v9"))

    asked = [request.task.options.min_memory_version for request in server.script.requests["Recognize"]]
    assert asked == ["", "v1", "", "v9"]
    assert server.script.requests["ListLabels"][0].min_memory_version == "v1"


def test_exemplars_are_read_page_by_page_as_they_are_needed(client: fovea.Client, server: FakeServer) -> None:
    list(client.teach(fovea.Lesson(f"class {number}") for number in range(5)))

    exemplars = client.exemplars()
    next(exemplars)
    assert server.script.calls["ListExemplars"] == 1

    assert len(list(exemplars)) == 4
    assert server.script.calls["ListExemplars"] == 3


def test_forgetting_says_how_many_there_were(client: fovea.Client) -> None:
    taught = client.teach_name("wren")
    client.teach_name("goldfinch", "a")
    client.teach_name("goldfinch", "b")

    assert client.forget([taught.exemplar_id, "nobody"]).count == 1
    assert client.forget(label="goldfinch").count == 2
    assert client.labels() == ()


def test_a_correction_becomes_an_exemplar(client: fovea.Client, server: FakeServer) -> None:
    client.recognize(b"x", recognition_id="r")

    assert client.correct("r", "goldfinch").exemplar_id == "corrected"
    assert server.script.requests["Correct"][0].region_id == "0"
    with pytest.raises(NotFound):
        client.correct("nothing", "goldfinch")


def test_an_export_has_the_embeddings(client: fovea.Client) -> None:
    client.teach_name("wren")

    (exemplar,) = client.export()

    assert exemplar.label == "wren"
    assert exemplar.embeddings[0].space == "visual"
    assert exemplar.embeddings[0].vector == pytest.approx((0.6, 0.8))


def test_an_export_that_breaks_is_an_error_and_not_a_shorter_export(
    client: fovea.Client, server: FakeServer
) -> None:
    list(client.teach(fovea.Lesson(f"class {number}") for number in range(3)))
    server.script.plan(
        "ExportExemplars", Trouble(StatusCode.RESOURCE_EXHAUSTED, "full", "OVERLOADED", after_answers=1)
    )

    with pytest.raises(Overloaded):
        list(client.export())


def test_what_no_message_can_hold_is_invalid_input(client: fovea.Client) -> None:
    with pytest.raises(InvalidInput):
        client.recognize(b"x", size=-1)
    with pytest.raises(InvalidInput, match="surrogates"):
        client.teach_name("\udcff")


def test_an_audit_is_read_to_its_end(client: fovea.Client, server: FakeServer) -> None:
    for label in ("wren", "goldfinch"):
        client.teach_name(label)
    audit = client.audit(duplicate=0.9, least=2)

    (finding,) = audit.findings
    assert (finding.kind, finding.similarity) == ("suspect_label", 0.75)
    assert finding.other is not None
    assert finding.suggested_label == finding.other.label
    assert audit.coverage[0].confused_with == {"goldfinch": 2}
    assert (audit.recall(1), audit.recall(5), audit.exemplars) == (0.75, 1.0, 2)
    (request,) = server.script.requests["AuditMemory"]
    assert (request.policy.duplicate, request.policy.least) == (0.9, 2)
    assert not request.policy.HasField("neighbours")
    assert request.min_memory_version == "v2"
