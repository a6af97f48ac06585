import dataclasses

import pytest

import fovea
from fovea.client import Conflict, NotFound


def test_a_collection_is_created_found_changed_and_deleted(client: fovea.Client) -> None:
    birds = fovea.Collection(
        "birds",
        description="of the garden",
        retention=fovea.Retention("days", 30),
        trust_threshold=0.0,
        votes=(fovea.SpaceVote("visual", 1, 0.5, 0.25),),
        level_threshold=0.0,
        neighbours_per_label=3,
        hierarchy={"goldfinch": "finch", "finch": ""},
        tenant="default",
    )

    assert client.create_collection(birds) == birds
    assert client.get_collection("birds") == birds
    changed = dataclasses.replace(birds, retention=fovea.Retention("none"), trust_threshold=None)
    assert client.update_collection(changed) == changed
    assert client.using(collection="birds").get_collection() == changed
    assert [collection.name for collection in client.list_collections()] == ["default", "birds"]
    assert client.delete_collection("birds") == 3
    with pytest.raises(NotFound):
        client.get_collection("birds")


def test_a_name_that_is_taken_is_a_conflict(client: fovea.Client) -> None:
    with pytest.raises(Conflict):
        client.create_collection(fovea.Collection("default"))
