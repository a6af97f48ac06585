import pytest

import fovea
from fovea.client import Conflict, InvalidInput, NotFound
from tests.fakes.gateway_server import FakeServer


def test_dead_letters_are_listed_with_their_reasons(client: fovea.Client, server: FakeServer) -> None:
    letters = client.using(tenant="acme").list_dead_letters(topic="exemplars.submitted", limit=7)

    (letter,) = letters
    assert (letter.id, letter.topic, letter.offset) == (
        "exemplars.submitted.dead:0:1",
        "exemplars.submitted",
        71,
    )
    assert isinstance(letter.failure, InvalidInput)
    assert letter.failure.reason == "IMAGE_TRUNCATED"
    assert letter.last_seen > letter.first_seen
    assert letter.replayed is None
    (request,) = server.script.requests["ListDeadLetters"]
    assert (request.filter.tenant, request.limit) == ("acme", 7)


def test_one_comes_with_its_bytes(client: fovea.Client) -> None:
    letter, value = client.get_dead_letter("images.submitted.dead:0:2")

    assert (letter.headers, value) == ({"event-id": "e2"}, b"\x00\xff")
    with pytest.raises(NotFound):
        client.get_dead_letter("no.such.dead:0:0")


def test_a_replay_says_what_became_of_each(client: fovea.Client) -> None:
    def outcomes(*, dry_run: bool = False, again: bool = False) -> list[str]:
        replays = client.replay_dead_letters(reason="IMAGE_TRUNCATED", dry_run=dry_run, again=again)
        return [replay.outcome for replay in replays]

    assert outcomes(dry_run=True) == ["refused", "would_replay"]
    assert outcomes() == ["refused", "replayed"]
    assert outcomes() == ["refused", "already_replayed"]
    assert outcomes(again=True) == ["refused", "replayed"]
    (refused,) = client.replay_dead_letters(["images.submitted.dead:0:2"])
    assert isinstance(refused.failure, Conflict)
