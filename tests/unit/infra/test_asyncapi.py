"""What is written down of the topics is what the code says."""

from __future__ import annotations

import json

from infra.asyncapi import ASYNCAPI, TOPICS_PAGE, document, page, yaml
from services.runtime.topics import TOPICS

SERVICES = {"gateway", "segmentation", "encoding", "retrieval", "ranking"}


def test_the_document_is_up_to_date() -> None:
    assert ASYNCAPI.read_text(encoding="utf-8") == yaml(document()), "run python -m infra.asyncapi"


def test_the_page_is_up_to_date() -> None:
    text = TOPICS_PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run python -m infra.asyncapi"


def test_every_topic_is_there_with_its_dead_letters_and_says_whose_it_is() -> None:
    assert set(document()["channels"]) == set(TOPICS.settings())
    for spec in TOPICS:
        assert {spec.owner, *spec.writers, *spec.consumers, *spec.dead_consumers} <= SERVICES
        assert spec.meaning


def test_the_owner_is_the_service_whose_contract_the_message_is() -> None:
    for spec in TOPICS:
        assert spec.message.DESCRIPTOR.full_name.split(".")[1] == spec.owner


def test_every_reference_leads_somewhere() -> None:
    written = document()
    references = [
        line.partition(": ")[2] for line in yaml(written).splitlines() if '"$ref"' in line.partition(": ")[0]
    ]

    assert references
    for reference in map(json.loads, references):
        found = written
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_yaml_is_written_as_yaml_is_read() -> None:
    assert yaml({"a": {"b": [1, "x: y"]}, "c": "one\n\n  two\n", "d": None, "e": []}) == (
        '"a":\n  "b":\n    - 1\n    - "x: y"\n"c": |\n  one\n\n    two\n"d": null\n"e": []\n'
    )
