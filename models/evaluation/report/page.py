"""docs/quality.md: the template beside this file with everything that was measured."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Final

from models.data.sets.emoji import MAIN_ARTISTS
from models.evaluation.metrics import Share
from models.evaluation.protocols.artists import NAME, PICTURE
from models.evaluation.protocols.scenes import SCENE_PX, SCENES
from models.evaluation.report import plots, tables
from models.evaluation.report.markdown import BadTemplate, fill, percent, ranged, table, together
from models.evaluation.suite import DENSE, FOLD, POOLED, RAW, Results

TEMPLATE: Final = Path(__file__).with_name("quality.md")
PAGE: Final = "quality.md"
FINDING: Final = "finding"
"""The part of the page that the detector's evaluation writes."""
RANKING: Final = "ranking"
"""The part that the evaluation of ranking writes."""
_IMAGES: Final = "images"
_PASSES: Final = 5
_LEFT_OUT: Final = "left out"
_NOTHING: Final = "\N{EN DASH}"


def write(results: Results, docs: Path) -> None:
    """Write the page and its plots into a folder of documents; its other parts stay as they are."""
    plots.groups(results.across, docs / _IMAGES / "quality-groups.svg")
    plots.recall(results.across, docs / _IMAGES / "quality-recall.svg")
    plots.shots(results.drawn_shots, docs / _IMAGES / "quality-shots.svg")
    text = fill(TEMPLATE.read_text(encoding="utf-8"), values(results))
    page = docs / PAGE
    for name in (FINDING, RANKING):
        text = with_part(text, name, _before(page, name))
    page.write_text(text, encoding="utf-8")


def _before(page: Path, name: str) -> str:
    """Return what a part of the page says so far; nothing if there is no page, or it has no such part."""
    try:
        return part(page.read_text(encoding="utf-8"), name)
    except (FileNotFoundError, BadTemplate):
        return "\n"


def part(text: str, name: str) -> str:
    """Return what stands between the marks of a part of a page.

    Raises:
        BadTemplate: If it has no such part.
    """
    begin, end = _marks(name)
    _, has_begin, rest = text.partition(begin)
    inside, has_end, _ = rest.partition(end)
    if not (has_begin and has_end):
        raise BadTemplate(f"the page has no part {name}, from {begin} to {end}")
    return inside


def with_part(text: str, name: str, inside: str) -> str:
    """Return a page with something else between the marks of a part. Raises BadTemplate as `part`."""
    begin, end = _marks(name)
    return text.replace(f"{begin}{part(text, name)}{end}", f"{begin}{inside}{end}")


def values(results: Results) -> dict[str, str]:
    """Return what stands in each place of the template."""
    return {
        "left_out": "".join(f"**{line}**\n\n" for line in results.left_out),
        "unseen_count": str(len(set(results.unseen[0].truth))),
        "fold": FOLD,
        "artists": f"{', '.join(MAIN_ARTISTS[:-1])} and {MAIN_ARTISTS[-1]}",
        "summary": summary(results),
        "across_picture": tables.across_artists(results.across, PICTURE),
        "across_name": tables.across_artists(results.across, NAME),
        "groups": tables.groups(results.across),
        "candidates": tables.candidates(results.across),
        "unseen": tables.unseen(results.unseen),
        "photo_count": str(len(results.photographs[0].rank)),
        "photo_names": str(results.photographs[0].candidates),
        "photographs": tables.photographs(results.photographs),
        "shot_classes": str(results.drawn_shots[0].classes),
        "shots": tables.few_shots(results.drawn_shots),
        "textile": tables.few_shots(results.textile_shots),
        "tones": tables.tones(results.tones),
        "scene_count": str(SCENES),
        "scene_px": str(SCENE_PX),
        "scenes": tables.small_objects(results.found),
        "passes": str(_PASSES),
        "rates": tables.rates(results.rates),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "stages": tables.stages(results.stages),
        "sets": tables.sets(results.sets),
    }


def summary(results: Results) -> str:
    """Return every task in one line: what the method has to beat, and what ships."""
    rows = [
        ["an artist never seen, by picture: first", *_across(results, PICTURE, (POOLED, RAW, FOLD))],
        ["the same, by name alone: first", *_across(results, NAME, (POOLED, RAW, FOLD))],
        *(
            [f"names never trained on, {what}: first", _NOTHING, *_named(results, what)]
            for what in dict.fromkeys(each.what for each in results.unseen)
        ),
        ["photographs by name: first", _NOTHING, *(ranged(each.first) for each in results.photographs)],
        [
            "photographs by name: in the first five",
            _NOTHING,
            *(ranged(each.five) for each in results.photographs),
        ],
        ["five skin tones, an artist never seen", *_tones(results, (POOLED, RAW, FOLD))],
        ["objects of 12 to 24 pixels: one tile, tiles", _NOTHING, _NOTHING, _objects(results)],
    ]
    return table(["per cent right", "pooled features", "untrained, shipped before", "trained"], rows)


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name} -->\n", f"<!-- /{name} -->"


def _across(results: Results, by: str, subjects: tuple[str, ...]) -> list[str]:
    return [
        _shown(subject, [each.top(1) for each in tables.chosen(results.across, subject, by)])
        for subject in subjects
    ]


def _named(results: Results, what: str) -> list[str]:
    return [ranged(each.first) for each in results.unseen if each.what == what]


def _tones(results: Results, subjects: tuple[str, ...]) -> list[str]:
    everything = results.tones[0].what
    return [
        _shown(
            subject,
            [each.share for each in results.tones if (each.subject, each.what) == (subject, everything)],
        )
        for subject in subjects
    ]


def _objects(results: Results) -> str:
    shares = [percent(each.first.value) for each in results.found if each.title.startswith(DENSE)]
    return ", ".join(shares) or _LEFT_OUT


def _shown(subject: str, shares: list[Share]) -> str:
    if not shares:
        return _LEFT_OUT if subject == FOLD else _NOTHING
    return ranged(together(shares))
