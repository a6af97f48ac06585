"""From values to a description that does not name the class (Finedefics, step 3)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from models.attributes.asking import Answerer, Question, plain, tells
from models.attributes.leaks import Names, forbidden, repaired
from models.attributes.records import DescriptionRecord, Made, Sheet, ValueRecord, made_by

TEMPLATE: Final = "describe@1"
AGAIN: Final = "describe-again@1"
PAIRS: Final = "pairs@1"
LONGEST: Final = 700
"""Characters of a description: a paragraph."""
_COMMON: Final = 3  # values of one attribute that a class is described by

Pairs = Sequence[tuple[str, str]]


class Refused(NamedTuple):
    """A description that was not written, and why."""

    label: str
    image: str
    reason: str


def pairs_of(sheet: Sheet) -> Mapping[tuple[str, str], Pairs]:
    """Return attributes with their values, for each picture, and for each class those seen most often."""
    of_images: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    seen: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    own: dict[tuple[str, str], tuple[str, ...]] = {}
    for each in sheet.of(ValueRecord):
        values = tuple(value for value in each.values if tells(value))
        if not values:
            continue
        if each.image:
            of_images[each.label, each.image].append((each.attribute, ", ".join(values)))
            seen[each.label, each.attribute].update(values)
        else:
            own[each.label, each.attribute] = values
    of_classes: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for label, attribute in sorted(seen.keys() | own.keys()):
        counted = sorted(seen[label, attribute].items(), key=lambda item: (-item[1], item[0]))
        common = own.get((label, attribute)) or tuple(value for value, _ in counted[:_COMMON])
        of_classes[label, ""].append((attribute, " or ".join(common)))
    return {**of_classes, **of_images}


def describe(sheet: Sheet, model: Answerer | None, *, date: str) -> Iterator[DescriptionRecord | Refused]:
    """Yield a description of each class and picture that has values.

    Without a model the pairs are put one after the other. What names a class is asked for again, then
    repaired, then refused. Raises ModelError.
    """
    names = forbidden({label: each.names for label, each in sheet.classes().items()}, sheet.leaks)
    for (label, image), pairs in pairs_of(sheet).items():
        text, made = _written(sheet, pairs, model, names[label], date)
        kept = without_names(text, names[label], sheet.super_class)
        if kept is None:
            yield Refused(
                label, image, f"names {_named(text, names[label])!r}" if tells(text) else "says nothing"
            )
        else:
            yield made_by(DescriptionRecord(label, kept, image), made)


def without_names(text: str, names: Names, super_class: str) -> str | None:
    """Return a text that names no class, repaired where it does; None where that does not help."""
    short = _paragraph(text)
    if not tells(short):
        return None
    if names.mentions(short):
        short = repaired(short, names, f"this {super_class}" if super_class else "it")
    return None if names.mentions(short) else short


def _written(sheet: Sheet, pairs: Pairs, model: Answerer | None, names: Names, date: str) -> tuple[str, Made]:
    if model is None:
        text = "; ".join(f"{attribute}: {value}" for attribute, value in pairs)
        return text, Made(PAIRS, date=date)
    question = question_for(sheet, pairs)
    text = plain(model.answer(question))
    if found := names.mentions(text):
        question = question_for(sheet, pairs, never=sorted({each.name for each in found}))
        text = plain(model.answer(question))
    return text, Made("model", model.identity, question.prompt, date)


def question_for(sheet: Sheet, pairs: Pairs, never: Sequence[str] = ()) -> Question:
    """Return the question; it holds no class's name but those that were said and must not be."""
    thing = sheet.super_class or "object"
    told = "\n".join(f"{attribute}: {value}" for attribute, value in pairs)
    ban = f" Never use the words: {', '.join(never)}." if never else ""
    return Question(
        AGAIN if never else TEMPLATE,
        f"Summarise what is known of a {thing} as a description of how it looks, in one or two sentences. "
        f"Use only what stands here, and name no kind of {thing}.{ban}\n{told}",
    )


def _paragraph(text: str) -> str:
    """Return a bounded text of whole sentences, or of whole words."""
    said = plain(text)
    if len(said) <= LONGEST:
        return said
    cut = said[:LONGEST]
    end = max(cut.rfind(each) for each in (". ", "! ", "? "))
    return cut[: end + 1] if end > 0 else cut.rpartition(" ")[0] or cut


def _named(text: str, names: Names) -> str:
    return next((each.name for each in names.mentions(text)), "")
