"""What a collection knows already, so that teaching again sends only what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from fovea.client import Exemplar, FoveaError, Lesson
from fovea.client.images import read_image

Key = tuple[str, str, str, Any, frozenset[tuple[str, Any]]]


class Known:
    """Remembers the exemplars of a collection by what they teach."""

    def __init__(self, exemplars: Iterable[Exemplar]) -> None:
        self._keys = {_key_of_exemplar(exemplar) for exemplar in exemplars}

    def __contains__(self, lesson: Lesson) -> bool:
        return _key_of_lesson(lesson) in self._keys


def loaded(lesson: Lesson) -> Lesson:
    """Return the lesson with its picture read; one that cannot be read stays a path, and fails later."""
    if lesson.image is None:
        return lesson
    try:
        return replace(lesson, image=read_image(lesson.image))
    except FoveaError:
        return lesson


def _key_of_exemplar(exemplar: Exemplar) -> Key:
    content = exemplar.image.digest if exemplar.image else exemplar.text
    return exemplar.label, exemplar.kind, content, exemplar.box, _frozen(exemplar.attributes)


def _key_of_lesson(lesson: Lesson) -> Key:
    attributes = _frozen(lesson.attributes)
    if isinstance(lesson.image, bytes):
        digest = hashlib.sha256(lesson.image).hexdigest()
        return lesson.label.strip(), "image", digest, lesson.region, attributes
    if lesson.attribute is not None:
        return lesson.label.strip(), "attribute", lesson.attribute.strip(), None, attributes
    return lesson.label.strip(), "name", (lesson.name or lesson.label).strip(), None, attributes


def _frozen(attributes: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    return frozenset(attributes.items())
