"""A memory is kept, spoilt, compared, brought back, and what was erased stays away."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

import fovea
from fovea.client import Applied, Client, Collection, Conflict, Exemplar, Lesson, NotFound, RecognizedQuery
from tests.e2e.pictures import COLOURS, png
from tests.e2e.processes import Program

_NUMBERS = itertools.count()
SHOTS = 3


@pytest.fixture
def client(allinone: Program) -> Iterator[Client]:
    allinone.wait_ready()
    name = f"versions-{next(_NUMBERS)}"
    with fovea.Client(allinone.target, collection=name) as opened:
        opened.create_collection(Collection(name))
        yield opened


def teach(client: Client, *lessons: Lesson) -> list[str]:
    taught = list(client.teach(lessons))
    assert not [each.failure for each in taught if each.failed]
    return [each.exemplar_id for each in taught]


def teach_colours(client: Client) -> list[str]:
    pictures = (
        Lesson(label, image=png(label, seed=seed), attributes={"seed": float(seed)})
        for label in COLOURS
        for seed in range(SHOTS)
    )
    return teach(client, *pictures, *(Lesson(label, name=label) for label in COLOURS))


def contents(client: Client) -> dict[str, Exemplar]:
    return {each.exemplar_id: each for each in client.export()}


def answers(client: Client) -> list[dict[str, Any]]:
    """Return all that the memory has to do with an answer, field by field."""
    records = [client.recognize(png(label, seed=99)) for label in COLOURS]
    return [
        {
            key: value
            for key, value in MessageToDict(region).items()
            if key in {"candidates", "ranking", "region"}
        }
        for record in records
        if record.raw is not None
        for region in record.raw.regions
    ]


def last(steps: Iterator[Applied]) -> Applied:
    *_, applied = steps
    assert applied.failure is None
    return applied


def test_a_memory_is_kept_spoilt_compared_and_brought_back(client: Client) -> None:
    ids = teach_colours(client)
    taught, said = contents(client), answers(client)
    version = client.keep_version("good", description="as it should be")
    assert (version.exemplars, version.labels) == (len(ids), len(COLOURS))
    assert client.keep_queries("gold", per_label=SHOTS + 1).queries == len(ids)

    poppy, cornflower, _ = COLOURS
    teach(client, *(Lesson("wrong", image=png(poppy, seed=seed)) for seed in range(SHOTS)))
    client.forget(label=cornflower)
    teach(client, Lesson("fern", image=png("fern", seed=0), exemplar_id=ids[0]))
    compared = client.compare("gold", before="good")
    assert compared.right_after.count < compared.right_before.count
    assert compared.broken == sum(each.verdict == "broken" for each in compared.changed) > 0
    assert answers(client) != said

    counted = last(client.revert("good", dry_run=True))
    assert (counted.restored, counted.forgotten) == (SHOTS + 1 + 1, SHOTS)
    assert last(client.revert("good")).restored == counted.restored
    assert contents(client) == taught
    assert answers(client) == said
    again = client.compare("gold", before="good")
    assert (again.changed, again.same.count) == ((), len(ids))
    nothing = last(client.revert("good"))
    assert (nothing.restored, nothing.forgotten) == (0, 0)


def test_edits_are_asked_before_they_are_made(client: Client) -> None:
    teach_colours(client)
    poppies = [Lesson("wrong", image=png("poppy", seed=seed)) for seed in range(10, 10 + SHOTS)]
    wrong = teach(client, *poppies)
    asked = [client.recognize(png("poppy", seed=seed)) for seed in range(20, 23)]
    client.keep_queries(
        "hard", recognitions=[RecognizedQuery(each.recognition_id, "poppy") for each in asked]
    )
    edits = {wrong[0]: None, **dict.fromkeys(wrong[1:], "poppy")}

    proposed = client.propose(edits, "hard")
    before = contents(client)
    client.keep_version("before")
    applied = last(client.apply(edits))

    assert (applied.restored, applied.forgotten) == (SHOTS - 1, 1)
    assert proposed.right_after.count == proposed.right_after.of == len(asked)
    made = client.compare("hard", before="before")
    assert made.right_after == proposed.right_after
    for one, other in zip(made.changed, proposed.changed, strict=True):
        assert (one.query_id, one.after.label) == (other.query_id, other.after.label)
        assert one.after.score == pytest.approx(other.after.score, abs=1e-9)
    last(client.revert("before"))
    assert contents(client) == before


def test_what_is_erased_stays_away(client: Client) -> None:
    ids = teach_colours(client)
    client.keep_version("good")
    client.keep_queries("gold", exemplar_ids=[ids[0], ids[1]])
    only_kept = ids[2]
    client.forget([only_kept])

    assert client.forget([ids[0], only_kept], erase=True).count == 1

    last(client.revert("good"))
    assert set(contents(client)) == set(ids) - {ids[0], only_kept}
    assert client.query_sets()[0].queries == 1
    (again,) = teach(client, Lesson("poppy", image=png("poppy", seed=0), attributes={"seed": 0.0}))
    assert again == ids[0]
    client.keep_version("taught-again")
    client.forget([again])
    last(client.revert("taught-again"))
    assert again in contents(client)


def test_names_are_kept_apart_and_told(client: Client) -> None:
    teach(client, Lesson("poppy", name="poppy"))
    client.keep_version("spring")
    client.keep_queries("gold", per_label=1)

    with pytest.raises(Conflict, match="has a version 'spring' already"):
        client.keep_version("spring")
    with pytest.raises(NotFound, match="no version 'autumn'; there are spring"):
        next(client.revert("autumn"))
    with pytest.raises(NotFound, match="no query set 'silver'; there are gold"):
        client.compare("silver", before="spring")
    client.delete_version("spring")
    client.delete_query_set("gold")
    assert (client.versions(), client.query_sets()) == ((), ())
