"""Who said what of the candidates, and why a model was asked or not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from examples.demo.report.markup import Html, tag
from examples.demo.report.wording import decimal, duration, percent
from fovea.client import Evidence, Gate, Judgement, RankedLabel, Region, Status

_SHOWN: Final = 5
_UNASKED: Final = {
    Status.TRUSTED_RETRIEVAL: "it is so sure that no model was asked",
    Status.UNKNOWN: "nothing taught is like it, so no model was asked",
}
_RUNGS: Final = {"no_pictures": "there are too few pictures to compare"}


def evidence(region: Region, truth: str) -> Html:
    """Return what each source prefers, or why retrieval's order stands."""
    if region.judgement is None:
        why = _UNASKED.get(region.status) or _RUNGS.get(region.rung, f"{region.status}, {region.rung}")
        return tag("p", f"Retrieval's order stands: {why}.", class_="alone")
    said = [_said(each, truth) for each in region.judgement.evidence]
    return tag("div", tag("h4", "Who said what"), tag("ul", said, class_="said"))


def how(region: Region) -> str:
    """Return what the gates decided, and what the model was asked."""
    gates = "Gates: " + (", ".join(map(_gate, region.gates)) or "none")
    return gates if region.judgement is None else f"{gates}. {', '.join(_asked(region.judgement))}."


def _said(source: Evidence, truth: str) -> Html:
    """Return the labels that a source gives most, the first of them first."""
    first = sorted(source.labels, key=lambda each: -each.probability)[:_SHOWN]
    labels = [tag("li", _share(each), class_="truth" if each.label == truth else None) for each in first]
    name = tag("span", source.source, tag("small", f"weight {source.weight:g}"))
    return tag("li", name, tag("ol", labels))


def _share(ranked: RankedLabel) -> str:
    return f"{ranked.label} {percent(ranked.probability)}"


def _gate(gate: Gate) -> str:
    return f"{gate.name} {decimal(gate.value)} {'≥' if gate.open else '<'} {decimal(gate.threshold)}"


def _asked(judgement: Judgement) -> Iterator[str]:
    yield f"Asked by {judgement.mode}"
    yield "kept answer" if judgement.cached else duration(judgement.duration_s)
    if judgement.tokens:
        yield f"{judgement.tokens} tokens"
