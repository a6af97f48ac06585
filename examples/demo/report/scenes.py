"""A scene with what was found in it: outlines drawn in, prompts and names beside it."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from examples.demo.findings import Findings
from examples.demo.found import OVERLAP, Finding, finding, overlap
from examples.demo.metrics import Share
from examples.demo.report.figures import place
from examples.demo.report.markup import Html, tag
from examples.demo.report.pictures import encoded
from examples.demo.report.wording import decimal, interval, percent
from examples.demo.scenes import SETTINGS, SceneAnswer
from fovea.client import Region
from models.vision import masks

_SHOWN = 4
_MOST = 12
"""Regions of one scene that are drawn, the surest: more would hide each other."""
_INKS = ((11, 107, 114), (196, 88, 24), (96, 62, 158), (40, 120, 50), (176, 36, 90), (32, 90, 170))
_TINT = 0.38
_EDGE_PX = 2


def section(found: Findings) -> list[Html]:
    """Return how well words found things, and the first scenes."""
    row = finding(found.scenes)
    return [
        tag("p", _words(row), class_="note"),
        _table(row),
        *(_figure(answer) for answer in found.scenes[:_SHOWN]),
    ]


def _words(row: Finding) -> str:
    return (
        f"{row.scenes} scenes hold {row.own.count} drawings of classes that the detector was never trained "
        "on. Each scene is asked in words: the name of each thing, a phrase that tells the two of one class "
        "apart, and names of things that are not there. What a prompt finds is cut out by its outline, and "
        "named by what was taught, whatever the prompt said."
    )


def _table(row: Finding) -> Html:
    lines: tuple[tuple[str, Share], ...] = (
        (f"Found by its name (box overlaps by {OVERLAP} or more)", row.found),
        ("Found, and then named right: own box", row.own),
        ("Named right with its true outline given: oracle box", row.oracle),
        ("The one that a phrase means was found first", row.told_apart),
        ("Absent things that something was found for", row.imagined),
    )
    head = tag(
        "tr", tag("th", "", scope="col"), *(_number("th", text) for text in ("Share", "95 % interval", "of"))
    )
    rows = [tag("tr", tag("th", words, scope="row"), *_cells(share)) for words, share in lines]
    note = f"Regions that names found where no thing is: {row.beside}. {_outlines(row)}"
    table = tag("table", tag("thead", head), tag("tbody", rows))
    return tag("div", tag("div", table, class_="scroll", tabindex="0"), tag("p", note))


def _outlines(row: Finding) -> str:
    if not row.found.hits:
        return ""
    iou = decimal(row.mask_iou)
    return f"Outlines that were found overlap the true ones by {iou} on average (intersection over union)."


def _cells(share: Share) -> list[Html]:
    return [_number("td", text) for text in (percent(share.value), interval(share), str(share.count))]


def _number(name: str, text: str) -> Html:
    return tag(name, text, class_="number", scope="col" if name == "th" else None)


def _figure(answer: SceneAnswer) -> Html:
    if answer.found.failure:
        return tag("p", f"✗ failed: {answer.found.failure.message}")
    regions = answer.found.regions[:_MOST]
    things = ", ".join(thing.picture.label for thing in answer.scene.things)
    boxes = [_box(region, number) for number, region in enumerate(regions, start=1)]
    shown = encoded(_drawn(answer), alt=f"A scene with {things}; what was found is tinted")
    frame = tag("div", shown, boxes, class_="frame")
    items = [tag("ol", (_item(answer, region) for region in regions), class_="things"), _missed(answer)]
    return tag("figure", frame, tag("div", items), class_="sheet scene")


def _box(region: Region, number: int) -> Html:
    style = f"{place(region.box, SETTINGS.width_px, SETTINGS.height_px)};--box:{_ink(number - 1)}"
    phrase = region.found_by is not None and region.found_by.prompt.kind == "phrase"
    kind = "box phrase" if phrase else "box"  # a name may have found the same: its number stands on the left
    return tag("span", tag("b", str(number)), class_=kind, style=style, aria_hidden="true")


def _ink(number: int) -> str:
    red, green, blue = _INKS[number % len(_INKS)]
    return f"#{red:02x}{green:02x}{blue:02x}"


def _item(answer: SceneAnswer, region: Region) -> Html:
    found = region.found_by
    asked = tag("small", f"“{found.prompt.text}” {percent(found.score)}", class_="asked") if found else None
    truth = _truth(answer, region)
    if not region.labels:
        return tag("li", asked, "✗ nothing", class_="missed")
    best = region.labels[0]
    answered = f"{best.label}, {percent(best.probability)}"
    if best.label == truth:
        return tag("li", asked, f"✓ {answered}")
    said = tag("small", f" is {truth}" if truth else " is none of the drawings")
    return tag("li", asked, f"✗ {answered}", said, class_="missed")


def _truth(answer: SceneAnswer, region: Region) -> str:
    """Return what stands where the region is; empty: nothing that was drawn."""
    shares = [(overlap(region.box, thing.box), thing.picture.label) for thing in answer.scene.things]
    most, label = max(shares)
    return label if most >= OVERLAP else ""


def _missed(answer: SceneAnswer) -> Html | None:
    """Say what was not found: rightly, where it is not there."""
    silent = [i for i in range(len(answer.scene.prompts)) if not answer.regions_of(i)]
    missing = [f"✗ “{answer.scene.prompts[i].text}”" for i in silent if answer.scene.answers[i]]
    absent = [f"✓ “{answer.scene.prompts[i].text}”" for i in silent if not answer.scene.answers[i]]
    more = len(answer.found.regions) - _MOST
    rest = [f"{more} more regions, less sure"] if more > 0 else []
    lines = [("Not shown", rest), ("Not found", missing), ("Not there, and not found", absent)]
    return tag("div", [_line(words, texts) for words, texts in lines if texts], class_="silent")


def _line(words: str, texts: Sequence[str]) -> Html:
    return tag("p", tag("small", f"{words}: {', '.join(texts)}"))


def _drawn(answer: SceneAnswer) -> bytes:
    """Return the scene with each outline tinted and edged, as WebP."""
    with Image.open(io.BytesIO(answer.scene.encoded)) as opened:
        pixels = np.asarray(opened.convert("RGB"), dtype=np.float32).copy()
    for number, region in enumerate(answer.found.regions[:_MOST]):
        if region.mask is not None:
            height_px, width_px = pixels.shape[:2]
            inside = masks.decode(region.mask.counts, width_px=width_px, height_px=height_px)
            ink = np.array(_INKS[number % len(_INKS)], dtype=np.float32)
            pixels[inside] += _TINT * (ink - pixels[inside])
            pixels[_edge(inside)] = ink
    packed = io.BytesIO()
    Image.fromarray(np.rint(pixels).astype(np.uint8)).save(packed, "WEBP", quality=88, method=4)
    return packed.getvalue()


def _edge(inside: np.ndarray) -> np.ndarray:
    """Return the pixels inside that are near one outside."""
    kept = inside.copy()
    for axis in (0, 1):
        for step in range(1, _EDGE_PX + 1):
            kept &= np.roll(inside, step, axis) & np.roll(inside, -step, axis)
    return np.asarray(inside & ~kept)
