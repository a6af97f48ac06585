"""What each attribute looks like in each picture (Finedefics, step 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from models.attributes.asking import Answerer, ModelError, Question, chosen, listed, tells
from models.attributes.leaks import Names
from models.attributes.records import AttributeRecord, ImageRecord, Made, Sheet, ValueRecord, made_by

TEMPLATE: Final = "extract@1"
CLOSED: Final = "choose@1"
CANNOT_TELL: Final = "cannot tell"
_MOST_VALUES: Final = 4
_LONGEST: Final = 80

Pictures = Callable[[ImageRecord], bytes]
"""Gives the bytes of a picture. Raises OSError."""


def question_for(sheet: Sheet, attribute: AttributeRecord, picture: bytes) -> Question:
    """Return the question for one attribute of one picture. It never says what the picture shows."""
    thing = sheet.super_class or "main object"
    asked = f"What is the {attribute.name} of the {thing} in this photo?"
    if attribute.values:
        return Question(CLOSED, asked, picture, (*attribute.values, CANNOT_TELL), most_tokens=40)
    told = f'{asked} Answer in a few words. If it cannot be seen, answer "{CANNOT_TELL}".'
    return Question(TEMPLATE, told, picture, most_tokens=40)


def extract(
    sheet: Sheet, model: Answerer, pictures: Pictures, *, date: str
) -> Iterator[ValueRecord | tuple[ImageRecord, str]]:
    """Yield each value that can be told; for what could not be asked, the picture and the reason.

    A value that names a class is none. The order is the sheet's, so a run that is cut short and begun again
    gives the same.
    """
    names = Names(name for each in sheet.classes().values() for name in each.names)
    for image in sheet.images().values():
        try:
            picture = pictures(image)
        except (OSError, ValueError) as error:
            yield image, str(error)
            continue
        for attribute in sheet.of(AttributeRecord):
            question = question_for(sheet, attribute, picture)
            try:
                answer = model.answer(question)
            except ModelError as error:
                yield image, f"{attribute.name}: {error}"
                continue
            values = _values(attribute, answer, names)
            if values:
                made = Made("model", model.identity, question.prompt, date)
                yield made_by(ValueRecord(image.label, attribute.name, values, image.image), made)


def _values(attribute: AttributeRecord, answer: str, names: Names) -> tuple[str, ...]:
    if attribute.values:
        choice = chosen(answer, (*attribute.values, CANNOT_TELL))
        return () if choice is None or choice == CANNOT_TELL else (choice,)
    if not tells(answer):
        return ()
    found = listed(answer, most=_MOST_VALUES, longest=_LONGEST)
    return tuple(each for each in found if not names.mentions(each))
