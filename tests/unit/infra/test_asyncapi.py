"""What is written down of the topics is what the code says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from infra.asyncapi import ASYNCAPI, TOPICS_PAGE, document, page, written
from services.runtime.topics import TOPICS

SERVICES = {"gateway", "segmentation", "encoding", "retrieval", "ranking"}


def test_the_document_is_up_to_date() -> None:
    assert ASYNCAPI.read_text(encoding="utf-8") == written(document()), "run python -m infra.asyncapi"


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
    whole = document()
    references = list(_references(whole))

    assert references
    for reference in references:
        found = whole
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_yaml_reads_back_as_what_was_written_and_keeps_protos_readable() -> None:
    text = ASYNCAPI.read_text(encoding="utf-8")

    assert yaml.safe_load(text) == document()
    assert 'syntax = "proto3";\n' in text


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from ([value["$ref"]] if "$ref" in value else [])
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from _references(entry)
