"""Pictures that are submitted, and watching what becomes of them."""

import pytest

import fovea
from fovea.client import (
    NotFound,
    Unavailable,
)
from fovea.client.connection import Patience
from tests.fakes.gateway_server import FakeServer
from tests.fakes.script import Trouble


def test_a_record_that_ended_as_dead_letter_has_failed(client: fovea.Client) -> None:
    client.recognize(b"dead", recognition_id="r")

    assert client.recognition("r").failed


def test_submitted_pictures_get_receipts_and_can_be_followed(client: fovea.Client) -> None:
    receipts = list(client.submit([b"goldfinch", b"bad", b"dead"], submission_id="batch"))

    assert [receipt.failed for receipt in receipts] == [False, True, False]
    assert {receipt.submission_id for receipt in receipts} == {"batch"}
    assert receipts[0].accepted_at is not None
    batch = client.submission("batch")
    assert (batch.accepted, batch.completed, batch.failed, batch.pending) == (2, 1, 1, 0)
    assert client.recognition(receipts[0].recognition_id).submission_id == "batch"


def test_a_batch_has_one_id_that_the_client_chooses(client: fovea.Client) -> None:
    receipts = list(client.submit([b"a", b"b"]))

    assert len({receipt.submission_id for receipt in receipts}) == 1
    assert receipts[0].submission_id


def test_what_has_not_ended_is_not_found(client: fovea.Client) -> None:
    with pytest.raises(NotFound):
        client.recognition("nothing")


def test_a_watch_goes_on_behind_the_last_record_after_a_disconnect(
    client: fovea.Client, server: FakeServer
) -> None:
    for name in (b"a", b"b", b"c"):
        client.recognize(name, recognition_id=name.decode())
    server.gateway.watched = list(server.gateway.records.values())
    server.script.plan("WatchRecognitions", Trouble(after_answers=2), Trouble())

    watch = client.watch()
    seen = [next(watch) for _ in range(3)]

    assert [answer.recognition_id for answer in seen] == ["a", "b", "c"]
    tokens = [request.resume_token for request in server.script.requests["WatchRecognitions"]]
    assert tokens == ["", "2", "2"]
    assert [answer.resume_token for answer in seen] == ["1", "2", "3"]


def test_a_watch_ends_when_the_server_stays_away(client: fovea.Client, server: FakeServer) -> None:
    server.stop()
    quick = client.using()
    quick._session.connection.patience = Patience(attempts=1, first_pause_s=0.01)

    with pytest.raises(Unavailable):
        next(quick.watch())
