"""The gateway's collections over a real gRPC server, with fakes behind the ports."""

from __future__ import annotations

import pytest

from fovea.gateway.v1 import (
    collections_pb2,
)
from fovea.kernel.v1 import (
    envelope_pb2,
)
from services.kernel.errors import Conflict, InvalidInput, NotFound
from tests.fakes.gateway_case import GatewayCase
from tests.unit.gateway.entrypoints.stubs import TIMEOUT_S, collections_of


def test_collections_are_made_changed_listed_and_deleted(case: GatewayCase) -> None:
    key = envelope_pb2.CollectionKey(tenant="acme", collection="birds")
    wanted = collections_pb2.Collection(
        key=key,
        image_retention=collections_pb2.ImageRetention(policy=collections_pb2.RETENTION_POLICY_DAYS, days=7),
        trust_threshold=0.0,
    )
    with collections_of(case) as stub:
        create = collections_pb2.CreateCollectionRequest(collection=wanted)
        made = stub.CreateCollection(create, timeout=TIMEOUT_S).collection
        with pytest.raises(Conflict):
            stub.CreateCollection(create, timeout=TIMEOUT_S)
        wanted.description = "of Europe"
        stub.UpdateCollection(collections_pb2.UpdateCollectionRequest(collection=wanted), timeout=TIMEOUT_S)
        listing = collections_pb2.ListCollectionsRequest(tenant="acme")
        listed = stub.ListCollections(listing, timeout=TIMEOUT_S).collections
        stub.DeleteCollection(collections_pb2.DeleteCollectionRequest(key=key), timeout=TIMEOUT_S)
        with pytest.raises(NotFound):
            stub.GetCollection(collections_pb2.GetCollectionRequest(key=key), timeout=TIMEOUT_S)

    assert (made.trust_threshold, made.HasField("unknown_threshold")) == (0, False)
    assert list(listed) == [wanted]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (collections_pb2.Collection(trust_threshold=1.5), "collection.trust_threshold"),
        (
            collections_pb2.Collection(votes=[{"space": "visual"}]),  # type: ignore[list-item]  # protobuf takes it
            "collection.votes[0]",
        ),
        (
            collections_pb2.Collection(
                image_retention=collections_pb2.ImageRetention(policy=collections_pb2.RETENTION_POLICY_DAYS)
            ),
            "collection.image_retention.days",
        ),
        (
            collections_pb2.Collection(image_retention=collections_pb2.ImageRetention(policy=9)),  # type: ignore[arg-type]
            "collection.image_retention.policy",
        ),
    ],
)
def test_a_wrong_setting_is_named(case: GatewayCase, wrong: collections_pb2.Collection, field: str) -> None:
    wrong.key.collection = "birds"
    with collections_of(case) as stub, pytest.raises(InvalidInput) as refused:
        stub.CreateCollection(collections_pb2.CreateCollectionRequest(collection=wrong), timeout=TIMEOUT_S)

    assert refused.value.field == field
