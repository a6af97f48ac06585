"""A collection moves from one encoder to another while it is asked, and back."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from fovea.gateway.v1 import collections_pb2, memory_pb2
from fovea.kernel.v1 import migration_pb2
from fovea.kernel.v1.candidates_pb2 import SpaceVote
from tests.e2e.calls import TIMEOUT_S, Calls
from tests.e2e.moving import (
    SHOTS,
    Asking,
    Moving,
    embeddings,
    environment,
    lessons,
    spaces_of,
    teach,
)
from tests.e2e.pictures import COLOURS, png
from tests.e2e.processes import Program
from tests.e2e.waiting import eventually, unless_missing

_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("migration")
    with Program("services.allinone", folder, environment(folder)) as program:
        yield program.wait_ready()
    assert program.stop() == 0, program.log()[-4000:]


@pytest.fixture
def calls(server: Program) -> Iterator[Calls]:
    with Calls(server.target, collection=f"moving-{next(_NUMBERS)}") as opened:
        opened.create_collection()
        yield opened


def test_a_collection_is_moved_and_moved_back_while_it_answers(calls: Calls) -> None:
    teach(calls)
    moving, count = Moving(calls), SHOTS * len(COLOURS)
    before = embeddings(calls)

    with Asking(calls) as asking:
        asking.more()
        moving.start()
        filled = moving.wait_filled()
        (taught,) = calls.remember([("fern", png("fern", seed=99))])
        report = moving.evaluate()
        asking.more()
        cut_over = moving.cut_over()
        first_after = calls.recognize(png("fern", seed=500))
        asking.more()
        rolled_back = moving.roll_back()
        first_back = calls.recognize(png("fern", seed=500))
        asking.more()
        moving.cut_over()
        moving.finish()
        finished = moving.wait(lambda status: status.old == 0)
        asking.more()

    assert asking.errors == []
    assert set(asking.spaces) == {frozenset({"visual"}), frozenset({"visual-2"})}  # never both in one answer
    assert asking.wrong == 0
    assert (filled.old, filled.both, filled.without_picture) == (count, count, 0)
    assert report.passes
    assert report.asked == count + 1
    assert cut_over.migration.state == migration_pb2.MIGRATION_STATE_CUT_OVER
    assert not cut_over.migration.overridden
    assert spaces_of(first_after) == {"visual-2"}
    assert rolled_back.migration.state == migration_pb2.MIGRATION_STATE_SIDE_BY_SIDE
    assert spaces_of(first_back) == {"visual"}
    assert finished.migration.state == migration_pb2.MIGRATION_STATE_FINISHED
    assert (finished.new, finished.both) == (count + 1, 0)
    after = embeddings(calls)
    assert {*after} == {*before, taught.exemplar_id}
    assert {frozenset(each) for each in after.values()} == {frozenset({"visual-2"})}


def test_old_embeddings_stay_as_they_were_until_a_migration_is_finished(calls: Calls) -> None:
    teach(calls)
    moving, before = Moving(calls), embeddings(calls)

    moving.start()
    moving.wait_filled()
    moving.cut_over()
    moving.roll_back()

    for exemplar_id, each in embeddings(calls).items():
        assert each.keys() == {"visual", "visual-2"}
        assert each["visual"] == before[exemplar_id]["visual"]
    moving.finish()
    abandoned = moving.wait(lambda status: status.new == 0)
    assert abandoned.migration.state == migration_pb2.MIGRATION_STATE_ABANDONED
    assert embeddings(calls) == before
    assert spaces_of(calls.recognize(png("fern"))) == {"visual"}


def test_an_encoder_that_is_worse_answers_only_if_somebody_insists(calls: Calls) -> None:
    teach(calls)
    moving = Moving(calls)
    moving.start("blurred")
    moving.wait_filled()

    assert not moving.evaluate().passes
    with pytest.raises(grpc.RpcError, match=r"not shown to be at most 15\.0% worse") as refused:
        moving.cut_over()
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert spaces_of(calls.recognize(png("fern"))) == {"visual"}

    assert moving.cut_over(override=True).migration.overridden
    assert spaces_of(calls.recognize(png("fern"))) == {"blurred"}


def test_what_is_forgotten_or_relabelled_while_it_is_filled_in_stays_so(calls: Calls) -> None:
    taught = teach(calls)
    gone, named = taught[0::3], taught[1::3]
    moving = Moving(calls)

    moving.start()
    for exemplar_id, relabelled in zip(gone, named, strict=True):
        forget = memory_pb2.ForgetRequest(collection=calls.key, exemplar_ids=[exemplar_id])
        calls.memory.Forget(forget, timeout=TIMEOUT_S)
        request = memory_pb2.RememberRequest(
            collection=calls.key, exemplar_id=relabelled, label="renamed", image=png("fern", seed=7)
        )
        list(calls.memory.Remember(iter([request]), timeout=TIMEOUT_S))
    moving.wait_filled()

    kept = {
        each.exemplar_id: each.label
        for each in calls.memory.ListExemplars(
            memory_pb2.ListExemplarsRequest(collection=calls.key, page_size=100), timeout=TIMEOUT_S
        ).exemplars
    }
    assert kept.keys().isdisjoint(gone)
    assert {kept[each] for each in named} == {"renamed"}
    assert all(each.keys() == {"visual", "visual-2"} for each in embeddings(calls).values())


def test_exemplars_whose_picture_is_gone_keep_a_migration_from_being_cut_over(server: Program) -> None:
    with Calls(server.target, collection=f"passing-{next(_NUMBERS)}") as calls:
        calls.create_collection(
            image_retention=collections_pb2.ImageRetention(policy=collections_pb2.RETENTION_POLICY_NONE)
        )
        teach(calls)
        moving, count = Moving(calls), SHOTS * len(COLOURS)

        status = moving.start()

        assert (status.old, status.both) == (count, 0)
        assert (status.looked_at, status.without_picture) == (count, count)
        with pytest.raises(grpc.RpcError, match="have no picture any more: teach them anew or forget them"):
            moving.cut_over()
        calls.remember(lessons())  # anew, and now with both
        assert moving.wait_filled().both == count


def test_two_encoders_vote_together_with_the_weights_that_the_collection_states(calls: Calls) -> None:
    teach(calls)
    votes = [
        SpaceVote(space="visual", weight=0.7, temperature=0.056, reference=0.44),
        SpaceVote(space="visual-2", weight=0.3, temperature=0.056, reference=0.44),
    ]
    together = collections_pb2.Collection(key=calls.key, votes=votes)
    calls.collections.UpdateCollection(
        collections_pb2.UpdateCollectionRequest(collection=together), timeout=TIMEOUT_S
    )
    end = time.monotonic() + TIMEOUT_S
    while not all(each.keys() == {"visual", "visual-2"} for each in embeddings(calls).values()):
        assert time.monotonic() < end
        time.sleep(0.1)

    record = calls.recognize(png("fern", seed=500))

    assert spaces_of(record) == {"visual", "visual-2"}
    said = {vote.space: vote.weight for vote in record.regions[0].candidates.votes}
    assert (said["visual"], said["visual-2"]) == (0.7, 0.3)
    shares = {"visual": 0.0, "visual-2": 0.0}
    for candidate in record.regions[0].candidates.candidates:
        for neighbour in candidate.neighbours:
            shares[neighbour.space] += neighbour.share
    assert shares["visual"] > 0
    assert shares["visual-2"] > 0


def test_both_doors_answer_with_the_encoder_that_was_cut_over_to(calls: Calls) -> None:
    teach(calls)
    moving = Moving(calls)
    moving.start()
    moving.wait_filled()
    moving.cut_over()
    name = f"of-{calls.key.collection}"

    list(calls.submit({name: png("fern", seed=500)}))
    streamed = eventually(lambda: unless_missing(lambda: calls.recognition(name)))
    waited = calls.recognize(png("fern", seed=500))

    for record in (streamed, waited):
        assert spaces_of(record) == {"visual-2"}
        (stage,) = [each for each in record.envelope.stages if each.name == "encoding"]
        assert len({*stage.models}) == 2  # the first one, which sees names too, and the new encoder


def test_a_process_that_is_killed_while_it_fills_in_goes_on_when_it_is_back(tmp_path: Path) -> None:
    slowly = environment(tmp_path, FOVEA_BACK_FILL_PER_S="16")  # a page is 64: four seconds to kill it in
    pictures = [(label, png(label, seed=seed)) for label in COLOURS for seed in range(24)]
    with Program("services.allinone", tmp_path, slowly) as first, Calls(first.wait_ready().target) as calls:
        calls.remember(pictures)
        Moving(calls).start()
        halfway = Moving(calls).wait(lambda status: status.both > 0)
        first.kill()

    with Program("services.allinone", tmp_path, slowly) as second, Calls(second.wait_ready().target) as calls:
        filled = Moving(calls).wait_filled()
        assert {frozenset(each) for each in embeddings(calls).values()} == {frozenset({"visual", "visual-2"})}

    assert halfway.both < halfway.old
    assert filled.old == filled.both == len(pictures)


def test_an_audit_looks_at_the_encoder_that_answers(calls: Calls) -> None:
    teach(calls)
    moving = Moving(calls)
    moving.start()
    moving.wait_filled()
    moving.cut_over()
    moving.finish()
    moving.wait(lambda status: status.old == 0)

    *_, last = calls.memory.AuditMemory(
        memory_pb2.AuditMemoryRequest(collection=calls.key), timeout=TIMEOUT_S
    )

    assert last.entry.summary.asked == SHOTS * len(COLOURS)


def test_settings_that_are_replaced_leave_a_migration_as_it_is(calls: Calls) -> None:
    teach(calls)
    moving = Moving(calls)
    moving.start()
    moving.wait_filled()
    moving.cut_over()

    changed = collections_pb2.Collection(key=calls.key, description="moved")
    calls.collections.UpdateCollection(
        collections_pb2.UpdateCollectionRequest(collection=changed), timeout=TIMEOUT_S
    )

    assert spaces_of(calls.recognize(png("fern"))) == {"visual-2"}
    assert moving.status().migration.state == migration_pb2.MIGRATION_STATE_CUT_OVER


def test_a_migration_that_makes_no_sense_is_refused(calls: Calls) -> None:
    moving = Moving(calls)

    with pytest.raises(grpc.RpcError, match="was never migrated"):
        moving.status()
    with pytest.raises(grpc.RpcError, match="not encoded into nowhere, but into visual, visual-2, blurred"):
        moving.start("nowhere")
    with pytest.raises(grpc.RpcError, match="visual answers already"):
        moving.start("visual")
    moving.start()
    with pytest.raises(grpc.RpcError, match="on its way to visual-2"):
        moving.start("blurred")
