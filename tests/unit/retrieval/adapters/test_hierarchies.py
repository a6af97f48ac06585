from __future__ import annotations

import pytest

from fovea.gateway.v1 import collections_pb2 as pb
from fovea.gateway.v1.events_pb2 import CollectionChanged
from services.kernel.errors import InvalidInput
from services.retrieval.adapters.hierarchies import TOPIC, LogHierarchies
from services.runtime.event_log.ports import Position, Record
from tests.fakes.exemplars import BIRDS, SEA


def record(value: bytes | None, key: str = "acme/birds") -> Record:
    return Record(Position(TOPIC, 0, 0), key, value, {}, timestamp_s=0.0)


def changed(**parents: str) -> Record:
    hierarchy = [pb.LabelParent(label=label, parent=parent) for label, parent in parents.items()]
    return record(CollectionChanged(collection=pb.Collection(hierarchy=hierarchy)).SerializeToString())


def test_the_newest_hierarchy_of_a_collection_counts() -> None:
    hierarchies = LogHierarchies()
    hierarchies.saw(changed(goldfinch="finch", finch=""))
    hierarchies.saw(changed(goldfinch="bird", bird=""))

    assert dict(hierarchies.parents(BIRDS)) == {"goldfinch": "bird"}
    assert dict(hierarchies.parents(SEA)) == {}


def test_a_collection_without_a_hierarchy_has_none_any_more() -> None:
    hierarchies = LogHierarchies()
    for gone in (changed(), record(None)):
        hierarchies.saw(changed(goldfinch="finch", finch=""))
        hierarchies.saw(gone)

        assert dict(hierarchies.parents(BIRDS)) == {}


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(InvalidInput):
        LogHierarchies().saw(record(b"\xff\xff"))
