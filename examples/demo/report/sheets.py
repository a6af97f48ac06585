"""A sheet with its boxes, and what was answered for each."""

from __future__ import annotations

from examples.demo.findings import Findings
from examples.demo.metrics import Share
from examples.demo.report.figures import place
from examples.demo.report.markup import Html, tag
from examples.demo.report.pictures import encoded
from examples.demo.report.wording import interval, percent
from examples.demo.scores import crowd
from examples.demo.sheets import Sheet, SheetAnswer
from examples.demo.task import Picture
from fovea.client import Region

_SHOWN = 2


def section(found: Findings) -> list[Html]:
    """Return how often boxes were right, and the first sheets."""
    row = crowd(found.rounds[0], found.sheets)
    words = (
        f"{row.sheets} sheets hold {row.top_1.count} things, with a box around each; classes were taught by "
        "pictures. Fovea crops every box, and blurs what is not inside. "
        f"Right at first: {_ranged(row.top_1)}, in the first five {_ranged(row.top_5)}. "
        f"The same pictures, each by itself: {_ranged(row.alone_1)} and {_ranged(row.alone_5)}."
    )
    return [tag("p", words, class_="note"), *(_figure(answer) for answer in found.sheets[:_SHOWN])]


def _ranged(share: Share) -> str:
    return f"{percent(share.value)} ({interval(share)})"


def _figure(answer: SheetAnswer) -> Html:
    if answer.recognition.failure:
        return tag("p", f"✗ failed: {answer.recognition.failure.message}")
    pairs = list(zip(answer.sheet.things, answer.recognition.regions, strict=True))
    things = ", ".join(thing.label for thing in answer.sheet.things)
    boxes = [_box(answer.sheet, pair, number) for number, pair in enumerate(pairs, start=1)]
    frame = tag("div", encoded(answer.sheet.encoded, alt=f"A sheet with {things}"), boxes, class_="frame")
    return tag("figure", frame, tag("ol", map(_item, pairs), class_="things"), class_="sheet")


def _box(sheet: Sheet, pair: tuple[Picture, Region], number: int) -> Html:
    style = place(pair[1].box, sheet.width_px, sheet.height_px)
    kind = "box" if _is_right(pair) else "box missed"
    return tag("span", tag("b", str(number)), class_=kind, style=style, aria_hidden="true")


def _item(pair: tuple[Picture, Region]) -> Html:
    thing, region = pair
    if not region.labels:
        return tag("li", "✗ nothing ", tag("small", f"is {thing.label}"), class_="missed")
    best = region.labels[0]
    answered = f"{best.label}, {percent(best.probability)}"
    if _is_right(pair):
        return tag("li", f"✓ {answered}")
    return tag("li", f"✗ {answered} ", tag("small", f"is {thing.label}"), class_="missed")


def _is_right(pair: tuple[Picture, Region]) -> bool:
    thing, region = pair
    return bool(region.labels) and region.labels[0].label == thing.label
