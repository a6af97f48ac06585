import grpc
import pytest

import fovea
from fovea.client import Conflict
from tests.fakes.gateway_server import FakeServer
from tests.fakes.script import Trouble


def test_every_step_is_a_call_that_says_how_far_it_is(client: fovea.Client, server: FakeServer) -> None:
    birds = client.using(collection="birds")

    started = birds.start_migration("visual-2")
    assert (started.from_space, started.to_space, started.state) == ("visual", "visual-2", "side_by_side")
    assert (started.old, started.both, started.lacking, started.without_picture) == (4, 0, 4, 1)
    assert started.report is None
    assert birds.get_migration().both == 1
    cut_over = birds.cut_over(override=True)
    assert (cut_over.state, cut_over.overridden) == ("cut_over", True)
    assert cut_over.report is not None
    assert birds.roll_back().state == "side_by_side"
    assert birds.finish_migration().state == "finished"
    for requests in server.script.requests.values():
        assert {request.collection.collection for request in requests} == {"birds"}


def test_a_comparison_has_both_shares_and_the_vote(client: fovea.Client, server: FakeServer) -> None:
    report = client.evaluate_migration(sample=50, seed=3, candidates=2, margin=0.0)

    assert (report.asked, report.labels, report.candidates, report.passes) == (100, 7, 5, True)
    assert (report.accuracy.before, report.accuracy.after) == (90, 88)
    assert report.recall.interval == (-0.05, 0.01)
    assert report.vote == fovea.SpaceVote("visual-2", 1.0, 0.1, 0.5)
    (request,) = server.script.requests["EvaluateMigration"]
    policy = request.policy
    assert (policy.sample, policy.seed, policy.candidates, policy.margin) == (50, 3, 2, 0.0)
    assert policy.HasField("margin")


def test_what_is_not_ready_is_a_conflict_that_says_why(client: fovea.Client, server: FakeServer) -> None:
    not_ready = Trouble(grpc.StatusCode.FAILED_PRECONDITION, "not cut over: 3 lack it", "MIGRATION_NOT_READY")
    server.script.plan("CutOverMigration", not_ready)

    with pytest.raises(Conflict, match="not cut over: 3 lack it"):
        client.cut_over()
