"""Sheets of attributes, and models that answer what a test tells them to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from models.attributes.asking import Question
from models.attributes.lines import read, write
from models.attributes.records import (
    AttributeRecord,
    DescriptionRecord,
)
from tests.fakes.answerers import Told

TODAY = "2026-01-01"


def with_attributes(sheet: Path, **values: tuple[str, ...]) -> None:
    write(sheet, read(sheet).merged(AttributeRecord(name, some) for name, some in values.items()))


def say(**told: str) -> Told:
    """Answer each question by the first of these words that is in it."""

    def says(question: Question) -> str:
        return next((answer for word, answer in told.items() if word in question.text), "cannot tell")

    return Told(says)


def descriptions(sheet: Path) -> Mapping[tuple[str, str], str]:
    return {(each.label, each.image[:4]): each.text for each in read(sheet).of(DescriptionRecord)}
