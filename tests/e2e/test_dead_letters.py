"""Large events flow through the object store, and what nobody could handle is there to be seen."""

from __future__ import annotations

import pytest

import fovea
from fovea.client import Conflict
from services.kernel.limits import LIMITS
from tests.e2e.calls import Calls
from tests.e2e.pictures import png, wrong
from tests.e2e.processes import Program
from tests.e2e.waiting import eventually


def test_as_many_regions_as_allowed_flow_through_the_events(calls: Calls, allinone: Program) -> None:
    boxes = [fovea.Box(x, y, x + 8, y + 8) for x in range(0, 128, 8) for y in range(0, 128, 8)]
    assert len(boxes) == LIMITS.regions_per_image
    with fovea.Client(allinone.target, collection=calls.key.collection, timeout_s=60) as client:
        client.teach_image("poppy", png("poppy", seed=100))
        picture = fovea.Picture(png("poppy"), regions=boxes, recognition_id="large")
        list(client.submit([picture], submission_id="large"))

        done = eventually(
            lambda: client.submission("large") if _ended(client, "large") else None, timeout_s=120
        )
        assert (done.completed, done.failed) == (1, 0)
        assert len(client.recognition("large").regions) == len(boxes)


def _ended(client: fovea.Client, submission: str) -> bool:
    return client.submission(submission).pending == 0


def test_a_picture_that_nobody_can_read_is_a_letter_that_is_not_replayed(
    calls: Calls, allinone: Program
) -> None:
    damaged, _ = wrong()["truncated jpeg"]
    with fovea.Client(allinone.target, collection=calls.key.collection) as client:
        list(client.submit([fovea.Picture(damaged, recognition_id="damaged")], submission_id="damaged"))
        eventually(lambda: _ended(client, "damaged") or None)

        (letter,) = [one for one in client.list_dead_letters() if one.key.endswith("/damaged")]
        assert (letter.topic, letter.failure.reason) == ("regions.proposed", "IMAGE_DAMAGED")
        assert client.get_dead_letter(letter.id)[1]
        (replay,) = client.replay_dead_letters([letter.id])
        assert replay.outcome == "refused"
        with pytest.raises(Conflict, match="written once"):
            raise replay.failure or AssertionError
