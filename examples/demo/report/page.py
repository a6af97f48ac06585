"""The page: headline, tables, what was confused, and query by query how the answers came about."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path

from examples.demo.findings import Findings
from examples.demo.metrics import calibration_error
from examples.demo.modes import Answer, Round
from examples.demo.report import cards, prose, scenes, sheets, tables
from examples.demo.report.figures import reliability_diagram
from examples.demo.report.markup import Child, Html, tag
from examples.demo.report.wording import decimal, interval, percent
from examples.demo.scores import accuracies, bins, confusions

_CONFUSIONS = 8
_WRONG = 12
_STRANGE = 4
_RIGHT = 4


def page(found: Findings) -> Html:
    """Return the whole document."""
    style = Html((Path(__file__).parent / "style.css").read_text(encoding="utf-8"))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", "Fovea: what was recognised"),
        tag("style", style),
    )
    body = tag("body", tag("main", _header(found), _sections(found)), _end(found))
    return Html(f"<!doctype html>\n{tag('html', head, body, lang='en')}\n")


def _header(found: Findings) -> Html:
    return tag(
        "header",
        tag("p", "Fovea", class_="brand"),
        tag("h1", "What was recognised, and on whose word"),
        tag("p", prose.lead(found), class_="lead"),
        tag("div", [_headline(one) for one in found.rounds], class_="headlines"),
    )


def _headline(one: Round) -> Html:
    whole = accuracies(one)[-1]
    pixels = f"pixels {percent(whole.pixel_1.value)} · " if whole.pixel_1 else ""
    return tag(
        "div",
        tag("p", one.mode.title, class_="what"),
        tag("p", percent(whole.top_1.value), class_="big"),
        tag("p", f"right at first, of {whole.top_1.count} ({interval(whole.top_1)})"),
        tag(
            "p",
            f"{percent(whole.top_5.value)} in the first five",
        ),
        tag("p", f"{pixels}chance {percent(whole.chance_1, 1)}"),
        class_="headline",
    )


def _sections(found: Findings) -> list[Html]:
    return [
        _section("Accuracy", prose.ACCURACY, tables.accuracy(found), _LEGEND),
        _section(
            "Does it know what it does not know?", prose.UNKNOWN, tables.unknown(found), _reliability(found)
        ),
        _section("Many things in one picture", *sheets.section(found)),
        _section("Found in words", *scenes.section(found)),
        _section("By group", prose.GROUPS, tables.by_group(found)),
        _section("Most confused", prose.CONFUSED, [_confused(one) for one in _with(found)]),
        _gallery(found, "Wrong answers", _WRONG, lambda answer: answer.known and not answer.right),
        _gallery(found, "Classes that were never taught", _STRANGE, lambda answer: not answer.known),
        _gallery(found, "Right answers", _RIGHT, lambda answer: answer.right),
        _section("Time", prose.time(found), tables.speed(found), tables.throughput(found)),
        _section("How this was measured", _points(prose.protocol(found))),
    ]


_LEGEND = tag(
    "p",
    [
        tag("span", tag("i", class_=kind), words)
        for kind, words in (
            ("dot", "right at first"),
            ("reach", "95 % interval (Wilson)"),
            ("baseline", "pixels"),
            ("chance", "chance"),
        )
    ],
    class_="legend",
)


def _with(found: Findings) -> list[tuple[Findings, Round]]:
    return [(found, one) for one in found.rounds]


def _confused(pair: tuple[Findings, Round]) -> Html:
    found, one = pair
    shown = [cards.confusion(found, one, confused) for confused in confusions(one, _CONFUSIONS)]
    return tag("div", tag("h3", one.mode.title), tag("div", shown, class_="confusions"))


def _reliability(found: Findings) -> Html:
    figures = [
        tag(
            "figure",
            reliability_diagram(bins(one), one.mode.title),
            tag(
                "figcaption",
                tag("b", one.mode.title),
                f" calibration error {decimal(calibration_error(bins(one)))}",
            ),
        )
        for one in found.rounds
    ]
    return tag("div", tag("p", prose.RELIABILITY), tag("div", figures, class_="diagrams"))


def _gallery(found: Findings, title: str, most: int, wanted: Callable[[Answer], bool]) -> Html:
    chosen = [[(one, answer) for answer in one.answers if wanted(answer)] for one in found.rounds]
    shown = [_sample(answers, most, found.task.seed) for answers in chosen]
    mixed = [pair for row in zip_longest(*shown) for pair in row if pair]
    note = f"{len(mixed)} of {sum(map(len, chosen))}, drawn at random, all ways of teaching in turn."
    grid = tag("div", [cards.card(found, one, answer) for one, answer in mixed], class_="cards")
    return _section(title, note, grid)


def _sample(answers: Sequence[tuple[Round, Answer]], most: int, seed: int) -> list[tuple[Round, Answer]]:
    return random.Random(seed).sample(answers, min(most, len(answers)))  # noqa: S311  (no secret)


def _points(points: Sequence[str]) -> Html:
    return tag("ul", [tag("li", point) for point in points], class_="protocol")


def _section(title: str, *children: Child) -> Html:
    first, *rest = children
    opening = (
        tag("p", first, class_="note") if isinstance(first, str) and not isinstance(first, Html) else first
    )
    return tag("section", tag("h2", title), opening, rest)


def _end(found: Findings) -> Html:
    return tag("footer", tag("p", f"Written by make demo, Fovea {found.setup.version}."))
