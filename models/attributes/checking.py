"""Whether a sheet may be used: what must agree with what, each problem with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from models.attributes.asking import tells
from models.attributes.leaks import forbidden
from models.attributes.lines import Parsed, Problem
from models.attributes.records import (
    AttributeRecord,
    DescriptionRecord,
    ImageRecord,
    Sheet,
    ValueRecord,
    split_hash,
)


def check(parsed: Parsed) -> list[Problem]:
    """Return all that is wrong, in order of lines."""
    sheet, lines = parsed.sheet, parsed.line_of
    found = [
        *parsed.problems,
        *_classes(sheet, lines),
        *_splits(sheet, lines),
        *_values(sheet, lines),
        *_descriptions(sheet, lines),
    ]
    return sorted(dict.fromkeys(found))


Lines = Mapping[tuple[str, ...], int]


def _classes(sheet: Sheet, lines: Lines) -> Iterator[Problem]:
    """Yield names that two classes have, and labels that are no class."""
    owner: dict[str, str] = {}
    for each in sheet.classes().values():
        for name in {name.casefold(): name for name in each.names}.values():
            other = owner.setdefault(name.casefold(), each.label)
            if other != each.label:
                yield Problem(lines[each.key], f"{name!r} is a name of {other!r} too")
    for record in sheet.records.values():
        label = getattr(record, "label", None)
        if label is not None and label not in sheet.classes():
            yield Problem(lines[record.key], f"{label!r} is no class: it needs a line of its own")


def _splits(sheet: Sheet, lines: Lines) -> Iterator[Problem]:
    """Yield pictures that are not those that the sheet was written with.

    (One picture in two lines, of one split or of two, is refused where lines are read.)
    """
    images = sheet.of(ImageRecord)
    if sheet.split and split_hash(images) != sheet.split:
        first = min((lines[each.key] for each in images), default=1)
        yield Problem(
            first,
            "the pictures or their splits are not those that this sheet was written with; "
            "`fovea attributes check --accept-split` takes them as they are now",
        )
    if images and not sheet.split:
        yield Problem(1, "`split` is empty, though there are pictures; --accept-split fills it in")


def _values(sheet: Sheet, lines: Lines) -> Iterator[Problem]:
    attributes = {each.name: each for each in sheet.of(AttributeRecord)}
    for each in sheet.of(ValueRecord):
        line = lines[each.key]
        attribute = attributes.get(each.attribute)
        if attribute is None:
            yield Problem(line, f"{each.attribute!r} is no attribute: it needs a line of its own")
        elif attribute.values:
            for value in sorted(set(each.values) - set(attribute.values)):
                yield Problem(line, f"{value!r} is none of the values of {attribute.name!r}")
        for value in each.values:
            if not tells(value):
                yield Problem(line, f"{value!r} says that it cannot be told; leave the value out")
        yield from _picture(sheet, each, line)


def _descriptions(sheet: Sheet, lines: Lines) -> Iterator[Problem]:
    names = forbidden({label: each.names for label, each in sheet.classes().items()}, sheet.leaks)
    for each in sheet.of(DescriptionRecord):
        line = lines[each.key]
        for mention in names[each.label].mentions(each.text) if each.label in sheet.classes() else ():
            said = each.text[mention.begin : mention.end]
            yield Problem(line, f"the description names a class: {said!r} is {mention.name!r}")
        yield from _picture(sheet, each, line)


def _picture(sheet: Sheet, record: ValueRecord | DescriptionRecord, line: int) -> Iterator[Problem]:
    if not record.image:
        return
    image = sheet.images().get(record.image)
    if image is None:
        yield Problem(line, f"there is no picture {record.image[:12]}…: it needs a line of its own")
    elif image.label != record.label:
        yield Problem(line, f"the picture {record.image[:12]}… shows {image.label!r}, not {record.label!r}")
