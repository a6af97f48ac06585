"""Teaching, correcting and forgetting, seen from outside."""

from __future__ import annotations

from operator import attrgetter

import grpc
import pytest

from fovea.gateway.v1 import collections_pb2, memory_pb2
from fovea.kernel.v1.candidates_pb2 import Condition, NumberRange
from fovea.kernel.v1.envelope_pb2 import RecognitionOptions
from fovea.kernel.v1.exemplar_pb2 import AttributeValue, EncodedExemplar
from fovea.kernel.v1.ranking_pb2 import RANKING_STATUS_UNKNOWN
from fovea.kernel.v1.recognition_pb2 import Recognition
from tests.e2e.calls import TIMEOUT_S, Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.processes import Program
from tests.e2e.waiting import eventually


def _best(record: Recognition) -> str:
    return record.regions[0].ranking.labels[0].label


def test_an_empty_memory_answers_unknown(calls: Calls) -> None:
    ranking = calls.recognize(png("poppy")).regions[0].ranking

    assert ranking.status == RANKING_STATUS_UNKNOWN
    assert ranking.probability_unknown == 1
    assert not ranking.labels


def test_what_was_taught_is_found_at_once_with_its_memory_version(calls: Calls) -> None:
    for label in COLOURS:
        (answer,) = calls.remember([(label, png(label, seed=1))])
        options = RecognitionOptions(min_memory_version=answer.memory_version)

        record = calls.recognize(png(label, seed=1), options=options)

        assert _best(record) == label
        neighbour = record.regions[0].candidates.candidates[0].neighbours[0]
        assert neighbour.exemplar_id == answer.exemplar_id
        assert neighbour.similarity == pytest.approx(1, abs=1e-3)


def test_teaching_twice_is_teaching_once(calls: Calls) -> None:
    lesson = ("poppy", png("poppy"))

    first, second = (calls.remember([lesson])[0] for _ in range(2))

    assert first.exemplar_id == second.exemplar_id
    assert calls.labels(min_memory_version=second.memory_version) == {"poppy": 1}


def test_a_class_is_taught_by_its_name_alone(calls: Calls) -> None:
    answers = calls.remember([("banana", "banana"), ("violin", "violin"), ("king penguin", "king penguin")])

    assert all(answer.memory_version for answer in answers)
    record = calls.recognize(png("poppy"))
    labels = {label.label for label in record.regions[0].ranking.labels}
    assert labels == {"banana", "violin", "king penguin"}


def test_probabilities_and_unknown_sum_to_one_over_a_permutation_of_the_candidates(calls: Calls) -> None:
    calls.remember([(label, png(label)) for label in COLOURS])

    region = calls.recognize(png("fern", seed=7)).regions[0]

    ranked = [label.label for label in region.ranking.labels]
    assert sorted(ranked) == sorted(each.label for each in region.candidates.candidates)
    total = sum(label.probability for label in region.ranking.labels) + region.ranking.probability_unknown
    assert total == pytest.approx(1)


def test_what_is_forgotten_is_not_found_again(calls: Calls) -> None:
    answers = calls.remember([(label, png(label)) for label in ("poppy", "fern")])

    reply = calls.memory.Forget(
        memory_pb2.ForgetRequest(collection=calls.key, exemplar_ids=[answers[0].exemplar_id, "nobody"]),
        timeout=TIMEOUT_S,
    )

    assert reply.forgotten == 1
    options = RecognitionOptions(min_memory_version=reply.memory_version)
    assert _best(calls.recognize(png("poppy"), options=options)) == "fern"
    assert calls.labels() == {"fern": 1}


def test_a_label_is_forgotten_whole(calls: Calls) -> None:
    calls.remember([("poppy", png("poppy", seed=seed)) for seed in range(3)] + [("fern", png("fern"))])

    reply = calls.memory.Forget(
        memory_pb2.ForgetRequest(collection=calls.key, label="poppy"), timeout=TIMEOUT_S
    )

    assert reply.forgotten == 3
    assert calls.labels(min_memory_version=reply.memory_version) == {"fern": 1}


def test_a_corrected_answer_becomes_an_exemplar(calls: Calls) -> None:
    calls.remember([("poppy", png("poppy"))])
    record = calls.recognize(png("fern", seed=3))
    region = record.regions[0].region

    reply = calls.memory.Correct(
        memory_pb2.CorrectRequest(
            tenant=calls.key.tenant,
            recognition_id=record.envelope.recognition_id,
            region_id=region.region_id,
            label="fern",
        ),
        timeout=TIMEOUT_S,
    )

    options = RecognitionOptions(min_memory_version=reply.memory_version)
    assert _best(calls.recognize(png("fern", seed=4), options=options)) == "fern"


def test_filters_and_exclusions_decide_who_votes(calls: Calls) -> None:
    requests = [
        memory_pb2.RememberRequest(
            collection=calls.key,
            exemplar_id=f"year-{year}",
            label=f"poppy of {year}",
            image=png("poppy", seed=year),
            attributes={"year": AttributeValue(number=year)},
        )
        for year in (2001, 2002, 2003)
    ]
    *_, last = calls.memory.Remember(iter(requests), timeout=TIMEOUT_S)
    recent = Condition(attribute="year", range=NumberRange(least=2002))
    options = RecognitionOptions(
        filter=[recent], exclude_exemplar_ids=["year-2003"], min_memory_version=last.memory_version
    )

    region = calls.recognize(png("poppy", seed=2001), options=options).regions[0]

    assert [label.label for label in region.ranking.labels] == ["poppy of 2002"]


def test_exemplars_are_listed_in_pages_and_exported_with_their_embeddings(calls: Calls) -> None:
    answers = calls.remember([(label, png(label, seed=seed)) for label in COLOURS for seed in range(3)])
    taught = sorted(answer.exemplar_id for answer in answers)

    listed, token = [], ""
    while True:
        request = memory_pb2.ListExemplarsRequest(collection=calls.key, page_size=4, page_token=token)
        page = calls.memory.ListExemplars(request, timeout=TIMEOUT_S)
        listed += [each.exemplar_id for each in page.exemplars]
        token = page.next_page_token
        if not token:
            break
    everything = memory_pb2.ExportExemplarsRequest(collection=calls.key)
    exported = list(calls.memory.ExportExemplars(everything, timeout=TIMEOUT_S))

    assert listed == taught
    assert sorted(each.exemplar.exemplar.exemplar_id for each in exported) == taught
    assert all(each.exemplar.embeddings[0].vector for each in exported)


def test_what_was_exported_is_imported_into_another_collection_and_recognised_there(
    calls: Calls, allinone: Program
) -> None:
    calls.remember([(label, png(label)) for label in COLOURS] + [("violin", "violin")])
    exported = _exported(calls)

    with Calls(allinone.target, tenant="acme", collection="imported") as other:
        other.create_collection()
        strange = EncodedExemplar.FromString(exported[0].SerializeToString())
        strange.embeddings[0].encoder = "other@1"
        requests = [
            memory_pb2.ImportExemplarsRequest(collection=other.key, exemplar=each)
            for each in [strange, *exported]
        ]
        failed, *taken = other.memory.ImportExemplars(iter(requests), timeout=TIMEOUT_S)
        # a version holds the exemplar that it came with, not those of other partitions
        imported = eventually(lambda: found if len(found := _exported(other)) == len(exported) else None)
        record = other.recognize(png("fern", seed=3))

    assert (failed.failure.field, failed.failure.reason) == ("embeddings", "UNKNOWN_ENCODER")
    assert [each.exemplar_id for each in taken] == [each.exemplar.exemplar_id for each in exported]
    assert all(not each.exemplar.image.key for each in imported)  # those of the other tenant are not ours
    for each in exported:
        if each.exemplar.HasField("image"):
            each.exemplar.image.key = ""
    key = attrgetter("exemplar.exemplar_id")
    assert sorted(imported, key=key) == sorted(exported, key=key)
    assert _best(record) == "fern"


def _exported(calls: Calls) -> list[EncodedExemplar]:
    request = memory_pb2.ExportExemplarsRequest(collection=calls.key)
    return [each.exemplar for each in calls.memory.ExportExemplars(request, timeout=TIMEOUT_S)]


def test_without_retention_no_picture_stays(allinone: Program) -> None:
    none = collections_pb2.ImageRetention(policy=collections_pb2.RETENTION_POLICY_NONE)
    with Calls(allinone.target, collection="passing") as passing:
        passing.create_collection(image_retention=none)
        passing.remember([("poppy", png("poppy"))])

        record = passing.recognize(png("poppy", seed=1))

        correct = memory_pb2.CorrectRequest(
            tenant="default",
            recognition_id=record.envelope.recognition_id,
            region_id=record.regions[0].region.region_id,
            label="poppy",
        )
        with pytest.raises(grpc.RpcError) as gone:
            passing.memory.Correct(correct, timeout=TIMEOUT_S)
    assert _best(record) == "poppy"
    assert gone.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_collections_do_not_see_each_other(calls: Calls, allinone: Program) -> None:
    calls.remember([("poppy", png("poppy"))])

    with Calls(allinone.target, tenant="acme", collection="other") as other:
        other.create_collection()
        assert other.labels() == {}
        assert not other.recognize(png("poppy")).regions[0].ranking.labels
