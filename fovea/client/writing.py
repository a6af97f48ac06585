"""The client's words as protobuf messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from fovea.client.errors import InvalidInput
from fovea.client.images import read_image
from fovea.client.memory import Collection, Lesson, Retention
from fovea.client.options import AttributeValue, Between, Find, Options, Picture, Prompt, SpaceVote, Where
from fovea.client.shapes import Mask, Shape
from fovea.gateway.v1 import collections_pb2, gateway_pb2, memory_pb2
from fovea.kernel.v1 import candidates_pb2, envelope_pb2, exemplar_pb2, prompt_pb2, region_pb2

_BOX_EDGES: Final = 4
_RETENTIONS: Final = {
    "keep": collections_pb2.RETENTION_POLICY_KEEP,
    "days": collections_pb2.RETENTION_POLICY_DAYS,
    "none": collections_pb2.RETENTION_POLICY_NONE,
}

_MASK_FORMATS: Final = {
    "rle": region_pb2.MASK_FORMAT_RLE,
    "polygons": region_pb2.MASK_FORMAT_POLYGONS,
}


@contextmanager
def _refusing_values() -> Iterator[None]:
    """Let what no message can hold, such as a negative size or a broken text, be InvalidInput."""
    try:
        yield
    except ValueError as error:
        raise InvalidInput(str(error), reason="VALUE_INVALID") from error


@_refusing_values()
def write_task(
    key: envelope_pb2.CollectionKey, picture: Picture, options: Options
) -> gateway_pb2.RecognitionTask:
    """Write one picture and what to do with it. Raises InvalidInput."""
    written = write_options(replace(options, prompts=picture.prompts or options.prompts))
    written.shapes.extend(
        write_shape(region, field=f"regions[{i}]") for i, region in enumerate(picture.regions)
    )
    return gateway_pb2.RecognitionTask(
        collection=key,
        recognition_id=picture.recognition_id,
        image=read_image(picture.image),
        options=written,
    )


def write_options(options: Options) -> envelope_pb2.RecognitionOptions:
    """Write what is asked of a recognition, its regions left out."""
    return envelope_pb2.RecognitionOptions(
        size=options.size,
        prompts=map(_prompt, options.prompts),
        filter=write_where(options.where),
        exclude_exemplar_ids=options.exclude,
        votes=map(_vote, options.votes),
        trust_threshold=options.trust_threshold,
        unknown_threshold=options.unknown_threshold,
        level_threshold=options.level_threshold,
        neighbours_per_label=options.neighbours_per_label,
        min_memory_version=options.min_memory_version,
        find=None if options.find == Find() else _find(options.find),
    )


def write_shape(shape: Shape, *, field: str) -> region_pb2.Shape:
    """Write a box, polygon or mask. Raises InvalidInput, naming the field, for anything else."""
    if isinstance(shape, Mask):
        mask = region_pb2.Mask(height_px=shape.height_px, width_px=shape.width_px, counts=shape.counts)
        return region_pb2.Shape(mask=mask)
    numbers = [edge for edge in shape if isinstance(edge, int | float)]
    if len(numbers) == len(shape) == _BOX_EDGES:
        left, top, right, bottom = numbers
        return region_pb2.Shape(box=region_pb2.Box(left=left, top=top, right=right, bottom=bottom))
    try:
        points = [region_pb2.Point(x=x, y=y) for x, y in shape]
    except (TypeError, ValueError):
        raise InvalidInput(
            f"{field} must be a box (left, top, right, bottom), a polygon of (x, y) points, or a Mask",
            reason="SHAPE_INVALID",
            field=field,
        ) from None
    return region_pb2.Shape(polygon=region_pb2.Polygon(points=points))


@_refusing_values()
def write_lesson(key: envelope_pb2.CollectionKey, lesson: Lesson) -> memory_pb2.RememberRequest:
    """Write one thing to teach. Raises InvalidInput."""
    given = [value for value in (lesson.image, lesson.name, lesson.attribute) if value is not None]
    if len(given) > 1:
        raise InvalidInput(
            f"the lesson for {lesson.label!r} must have one of image, name and attribute",
            reason="LESSON_AMBIGUOUS",
            field="content",
        )
    request = memory_pb2.RememberRequest(
        collection=key,
        exemplar_id=lesson.exemplar_id,
        label=lesson.label,
        attributes=write_attributes(lesson.attributes),
        shape=None if lesson.region is None else write_shape(lesson.region, field="region"),
    )
    if lesson.image is not None:
        request.image = read_image(lesson.image)
    elif lesson.attribute is not None:
        request.attribute = lesson.attribute
    else:
        request.name = lesson.name or ""
    return request


def write_attributes(attributes: Mapping[str, AttributeValue]) -> dict[str, exemplar_pb2.AttributeValue]:
    """Write the attributes of an exemplar."""
    return {name: _value(value) for name, value in attributes.items()}


def write_where(where: Where) -> Iterator[candidates_pb2.Condition]:
    """Write conditions on attributes."""
    for attribute, test in where.items():
        condition = candidates_pb2.Condition(attribute=attribute)
        if isinstance(test, Between):
            condition.range.CopyFrom(candidates_pb2.NumberRange(least=test.least, most=test.most))
        elif isinstance(test, Sequence) and not isinstance(test, str):
            condition.one_of.values.extend(map(_value, test))
        else:
            condition.equals.CopyFrom(_value(test))
        yield condition


def write_collection(collection: Collection, *, tenant: str) -> collections_pb2.Collection:
    """Write a collection's settings; `tenant` stands in where it names none."""
    return collections_pb2.Collection(
        key=envelope_pb2.CollectionKey(tenant=collection.tenant or tenant, collection=collection.name),
        description=collection.description,
        image_retention=_retention(collection.retention),
        votes=map(_vote, collection.votes),
        trust_threshold=collection.trust_threshold,
        unknown_threshold=collection.unknown_threshold,
        level_threshold=collection.level_threshold,
        neighbours_per_label=collection.neighbours_per_label,
        hierarchy=[
            collections_pb2.LabelParent(label=label, parent=parent)
            for label, parent in collection.hierarchy.items()
        ],
    )


def _retention(retention: Retention) -> collections_pb2.ImageRetention:
    return collections_pb2.ImageRetention(policy=_RETENTIONS[retention.policy], days=retention.days)


def _value(value: AttributeValue) -> exemplar_pb2.AttributeValue:
    if isinstance(value, bool):
        return exemplar_pb2.AttributeValue(flag=value)
    if isinstance(value, str):
        return exemplar_pb2.AttributeValue(text=value)
    return exemplar_pb2.AttributeValue(number=value)


def _vote(vote: SpaceVote) -> candidates_pb2.SpaceVote:
    return candidates_pb2.SpaceVote(
        space=vote.space, weight=vote.weight, temperature=vote.temperature, reference=vote.reference
    )


def _prompt(prompt: Prompt) -> prompt_pb2.Prompt:
    if prompt.kind == "phrase":
        return prompt_pb2.Prompt(phrase=prompt.text)
    if prompt.kind == "sentence":
        return prompt_pb2.Prompt(sentence=prompt.text)
    if prompt.kind == "exemplar":
        return prompt_pb2.Prompt(exemplar_id=prompt.text)
    return prompt_pb2.Prompt(name=prompt.text)


def _find(find: Find) -> prompt_pb2.FindOptions:
    return prompt_pb2.FindOptions(
        threshold=find.threshold,
        overlap=find.overlap,
        tiles=find.tiles,
        mask_format=_MASK_FORMATS[find.mask_format],
    )
