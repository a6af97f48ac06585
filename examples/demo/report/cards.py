"""One query on one card: what was seen, what was answered, and on whose word."""

from __future__ import annotations

from collections.abc import Sequence

from examples.demo.findings import Findings
from examples.demo.modes import Answer, Round
from examples.demo.report.evidence import evidence, how
from examples.demo.report.figures import bar, place
from examples.demo.report.markup import Html, tag
from examples.demo.report.pictures import picture
from examples.demo.report.wording import decimal, duration, percent
from examples.demo.scores import Confusion
from examples.demo.task import Picture
from fovea.client import Box, ImageInfo, Neighbour, Stage

_QUERY_PX = 136
_NEIGHBOUR_PX = 52
_NEIGHBOURS = 6


def card(found: Findings, one: Round, answer: Answer) -> Html:
    """Return a card for one query."""
    kind = "right" if answer.right or (answer.flagged and not answer.known) else "wrong"
    return tag(
        "article",
        tag("div", _query(found, answer), _answer(answer), class_="facts"),
        _neighbours(found, one, answer),
        evidence(answer.region, answer.picture.label) if answer.region else None,
        _footer(one, answer),
        class_=f"card {kind}",
    )


def confusion(found: Findings, one: Round, pair: Confusion) -> Html:
    """Return the picture that was asked beside the taught one that it was taken for."""
    shown = found.vendor(pair.example.picture.vendor)
    taken = [_exemplar(found, exemplar) for exemplar in _best(one, pair.example)[:1]]
    return tag(
        "figure",
        tag(
            "div",
            picture(pair.example.picture, side_px=64, alt=f"{pair.truth}, by {shown}"),
            tag("span", "→", class_="arrow"),
            taken,
            class_="pair",
        ),
        tag(
            "figcaption",
            tag("b", pair.truth),
            " taken for ",
            tag("b", pair.answer),
            tag("small", _times(pair)),
        ),
        class_="confusion",
    )


def _times(pair: Confusion) -> str:
    times = f"{pair.count} times" if pair.count > 1 else "once"
    return f"{times}, given up to {percent(pair.example.probability)}"


def _query(found: Findings, answer: Answer) -> Html:
    asked = answer.picture
    vendor = found.vendor(asked.vendor)
    frame = [picture(asked, side_px=_QUERY_PX, alt=f"Query: {asked.label}, by {vendor}"), _boxes(answer)]
    return tag(
        "figure",
        tag("div", frame, class_="frame"),
        tag(
            "figcaption",
            tag("b", asked.label),
            tag("small", f"{vendor} · {asked.group}"),
            None if answer.known else tag("small", "never taught", class_="strange"),
        ),
        class_="query",
    )


def _boxes(answer: Answer) -> list[Html]:
    image = answer.recognition.image
    return [_box(region.box, image) for region in answer.recognition.regions] if image else []


def _box(box: Box, image: ImageInfo) -> Html:
    style = place(box, image.width_px, image.height_px)
    return tag("span", class_="box", style=style, aria_hidden="true")


def _answer(answer: Answer) -> Html:
    bars = [_candidate(answer, ranked.label, ranked.probability) for ranked in answer.recognition.labels]
    unknown = _bar("none of these", answer.recognition.probability_unknown, "unknown")
    return tag(
        "div",
        tag("p", _verdict(answer), class_="verdict"),
        tag("ol", bars, unknown, class_="bars"),
        class_="answer",
    )


def _verdict(answer: Answer) -> str:
    if answer.recognition.failure:
        return f"✗ failed: {answer.recognition.failure.message}"
    if not answer.known:
        return "✓ flagged as unknown" if answer.flagged else "✗ not flagged as unknown"
    hidden = ", but flagged as unknown" if answer.flagged else ""
    if answer.right:
        return f"✓ right{hidden}"
    return f"✗ wrong; the truth is {_place(answer)}{hidden}"


def _place(answer: Answer) -> str:
    if answer.picture.label in answer.labels:
        return f"number {answer.labels.index(answer.picture.label) + 1}"
    return f"not among the first {len(answer.labels)}"


def _candidate(answer: Answer, label: str, probability: float) -> Html:
    return _bar(label, probability, "truth" if label == answer.picture.label else None)


def _bar(label: str, probability: float, kind: str | None) -> Html:
    shown = f"✓ {label}" if kind == "truth" else label
    name = tag("span", shown, class_="label", title=label)
    return tag("li", name, bar(probability), tag("span", percent(probability), class_="number"), class_=kind)


def _neighbours(found: Findings, one: Round, answer: Answer) -> Html:
    nearest = sorted(_votes(answer), key=lambda vote: -vote[1].share)[:_NEIGHBOURS]
    shown = [_neighbour(found, one, label, vote) for label, vote in nearest]
    return tag("div", tag("h4", "Who voted"), tag("ul", shown, class_="neighbours"))


def _votes(answer: Answer) -> list[tuple[str, Neighbour]]:
    candidates = answer.region.candidates if answer.region else ()
    return [(candidate.label, vote) for candidate in candidates for vote in candidate.neighbours]


def _neighbour(found: Findings, one: Round, label: str, vote: Neighbour) -> Html:
    shown = _exemplar(found, one.exemplars.get(vote.exemplar_id, label))
    words = tag("small", f"similarity {decimal(vote.similarity)}", tag("br"), f"share {percent(vote.share)}")
    return tag("li", shown, words, title=f"{label}: {vote.kind}, compared in the {vote.space} space")


def _exemplar(found: Findings, exemplar: Picture | str) -> Html:
    if isinstance(exemplar, str):
        return tag("span", exemplar, class_="name")
    alt = f"Taught: {exemplar.label}, by {found.vendor(exemplar.vendor)}"
    return picture(exemplar, side_px=_NEIGHBOUR_PX, alt=alt)


def _best(one: Round, answer: Answer) -> list[Picture | str]:
    label = answer.labels[0]
    votes = sorted((vote for name, vote in _votes(answer) if name == label), key=lambda vote: -vote.share)
    return [one.exemplars.get(vote.exemplar_id, label) for vote in votes] or [label]


def _footer(one: Round, answer: Answer) -> Html:
    region = answer.region
    rung = f": {region.rung}" if region and region.rung else ""
    summary = tag(
        "summary",
        tag("span", f"{answer.recognition.status}{rung}", class_="pill"),
        f" taught: {one.mode.title.lower()} · stages",
    )
    return tag(
        "details",
        summary,
        tag("p", how(region)) if region else None,
        _stages(answer.recognition.stages),
    )


def _stages(stages: Sequence[Stage]) -> Html:
    rows = [
        tag(
            "tr",
            tag("th", stage.name, scope="row"),
            tag("td", duration(stage.duration_s), class_="number"),
            tag("td", [tag("code", name) for name in stage.models]),
        )
        for stage in stages
    ]
    return tag("table", tag("tbody", rows))
