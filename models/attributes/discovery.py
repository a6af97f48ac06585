"""Which attributes tell the classes of a super-class apart (Finedefics, step 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from models.attributes.asking import Answerer, Question, listed
from models.attributes.leaks import Names
from models.attributes.records import AttributeRecord, Made, Sheet, made_by

TEMPLATE: Final = "discover@1"
MOST: Final = 12
_LONGEST: Final = 60
_EXAMPLES: Final = 8


def question_for(sheet: Sheet, labels: Sequence[str] = ()) -> Question:
    """Return the question; a few class names show how fine the differences are."""
    kind = sheet.domain or sheet.super_class or "things"
    some = f" Examples of them: {', '.join(labels[:_EXAMPLES])}." if labels else ""
    return Question(
        TEMPLATE,
        f"Which visible attributes are useful to tell {kind} apart in a photo?{some} "
        f"Name at most {MOST} attributes, such as a part and its colour, one a line, and nothing else. "
        "Name no class.",
    )


def discover(sheet: Sheet, model: Answerer, *, date: str) -> list[AttributeRecord]:
    """Return the attributes that a model finds useful; none that names a class. Raises ModelError."""
    classes = sheet.classes()
    question = question_for(sheet, sorted(classes))
    names = Names(name for each in classes.values() for name in each.names)
    made = Made("model", model.identity, question.prompt, date)
    found = listed(model.answer(question), most=MOST, longest=_LONGEST)
    return [made_by(AttributeRecord(each), made) for each in found if not names.mentions(each)]
