"""Recognitions on paper: one picture in detail, many as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fovea.cli.sheets import Column, Form, percent
from fovea.cli.terminal import out, plain
from fovea.client import Candidate, Evidence, Recognition, Region

_BAR_CELLS: Final = 12
_ID_SHOWN: Final = 12
_PROMPTS_SHOWN: Final = 5
_NOTHING: Final = "nothing found"
_Cell = TypeVar("_Cell")
_STYLES: Final = {"ranked": "green", "trusted_retrieval": "green", "degraded": "yellow", "unknown": "magenta"}


def _status(value: Any) -> Text:
    return plain(str(value), _STYLES.get(str(value), "red"))


_TABLE_COLUMNS: Final = (
    Column("picture"),
    Column("region", number=True),
    Column("found"),
    Column("score", percent, number=True),
    Column("box", whole=True),
    Column("answer", lambda value: plain("unknown", "magenta") if value is None else plain(value, "bold")),
    Column("probability", percent, number=True, title="prob."),
    Column("unknown", percent, number=True),
    Column("status", _status, whole=True),
    Column("next_best"),
)
_CSV_COLUMNS: Final = tuple(
    Column(name)
    for name in (
        "source",
        "recognition_id",
        "region_id",
        "left",
        "top",
        "right",
        "bottom",
        "status",
        "rank",
        "label",
        "probability",
        "probability_unknown",
        "answer",
        "reason",
        "message",
        "prompt_kind",
        "prompt",
        "prompt_score",
        "rung",
        "evidence",
    )
)


@dataclass(frozen=True)
class Layout:
    """How answers are laid out: one row a region for people, one row a label for programs.

    Attributes:
        form: For whom.
        several: Whether there is more than one region in a picture.
        found: Whether regions are found by prompts.
        wide: Whether there is room for the second and third label.
    """

    form: Form
    several: bool = True
    found: bool = False
    wide: bool = True

    @property
    def columns(self) -> Sequence[Column]:
        """The columns that rows have."""
        return tuple(self._kept(_TABLE_COLUMNS)) if self.form is Form.TABLE else _CSV_COLUMNS

    def rows(self, answer: Recognition) -> Iterator[Sequence[Any]]:
        """Yield the rows of one answer; for people none if it failed: they were told why."""
        if self.form is Form.TABLE:
            for row in _table_rows(answer):
                yield tuple(self._kept(row))
        elif not answer.regions:
            yield _csv_row_without_region(answer)
        else:
            for region in answer.regions:
                yield from _csv_rows(answer, region)

    def _kept(self, row: Sequence[_Cell]) -> Iterator[_Cell]:
        """Leave out the cells that this layout does not show."""
        shown = {"region": self.several, "found": self.found, "score": self.found, "box": self.found}
        shown["next_best"] = self.wide
        columns = zip(_TABLE_COLUMNS, row, strict=True)
        return (cell for column, cell in columns if shown.get(column.name, True))


def _table_rows(answer: Recognition) -> Iterator[Sequence[Any]]:
    for region in answer.regions:
        yield _table_row(answer, region)
    if not answer.regions and not answer.failed:
        yield (answer.source or answer.recognition_id, *[None] * 4, "", *[None] * 2, answer.status, None)


def _table_row(answer: Recognition, region: Region) -> Sequence[Any]:
    best = region.best
    others = region.labels[:2] if region.broader else region.labels[1:3]
    return (
        answer.source or answer.recognition_id,
        region.region_id,
        None if region.found_by is None else region.found_by.prompt.text,
        None if region.found_by is None else region.found_by.score,
        _place(region),
        best,
        region.probability if best is not None else None,
        region.probability_unknown,
        region.status,
        ", ".join(f"{label} {probability:.0%}" for label, probability in others),
    )


def _place(region: Region) -> str:
    return ", ".join(f"{edge:.0f}" for edge in region.box)


def _csv_row_without_region(answer: Recognition) -> Sequence[Any]:
    said = (None, None) if answer.failure is None else (answer.failure.reason, answer.failure.message)
    return (*_head(answer), *[None] * 5, answer.status, *[None] * 5, *said, *[None] * 5)


def _head(answer: Recognition) -> Sequence[Any]:
    return answer.source, answer.recognition_id


def _csv_rows(answer: Recognition, region: Region) -> Iterator[Sequence[Any]]:
    place = (*_head(answer), region.region_id, *region.box, region.status)
    found = region.found_by
    what = (None,) * 3 if found is None else (found.prompt.kind, found.prompt.text, found.score)
    for rank, (label, probability) in enumerate(region.labels, start=1):
        ranked = (rank, label, probability, region.probability_unknown, region.best)
        yield (*place, *ranked, None, None, *what, region.rung, _said_of(label, region))
    if not region.labels:
        yield (
            *place,
            None,
            None,
            None,
            region.probability_unknown,
            None,
            None,
            None,
            *what,
            region.rung,
            None,
        )


def _said_of(label: str, region: Region) -> str:
    """Return each source's share of a label, such as `retrieval=0.412 pairs=0.720`."""
    said = ((each.source, each.share(label)) for each in _evidence(region))
    return " ".join(f"{source}={share:.3f}" for source, share in said if share is not None)


def _evidence(region: Region) -> Sequence[Evidence]:
    return () if region.judgement is None else region.judgement.evidence


def verdict(answer: Recognition) -> Text:
    """Return the best label of each region with its probability, on one line."""
    said = (f"{region.best or 'unknown'} {region.probability:.0%}" for region in answer.regions)
    return plain("; ".join(said) or _NOTHING)


def show_in_detail(answer: Recognition) -> None:
    """Print one answer with its candidates and the neighbours that voted for them."""
    if answer.failure is not None:
        return
    title = plain(answer.source or answer.recognition_id, "bold")
    parts = [part for region in answer.regions for part in _region(region, alone=len(answer.regions) == 1)]
    models = dict.fromkeys(model for stage in answer.stages for model in stage.models)
    total_s = sum(stage.duration_s for stage in answer.stages)
    foot = plain(
        f"{answer.recognition_id} · {total_s * 1000:.0f} ms · {', '.join(models) or 'no model'}", "dim"
    )
    out().print(Group(title, *parts, *_missed(answer), foot))


def show_region(region: Region) -> None:
    """Print one region with its candidates and the neighbours that voted for them."""
    out().print(Group(*_region(region, alone=True)))


def _missed(answer: Recognition) -> Iterator[Text]:
    """Say which prompts found nothing."""
    found = {region.found_by.prompt for region in answer.regions if region.found_by is not None}
    missed = [prompt for prompt in answer.prompts if prompt not in found]
    if missed:
        more = len(missed) - _PROMPTS_SHOWN
        texts = ", ".join(repr(prompt.text) for prompt in missed[:_PROMPTS_SHOWN])
        yield plain(f"{_NOTHING}: {texts}" + (f" and {more} more" if more > 0 else ""), "magenta")


def _region(region: Region, *, alone: bool) -> Iterator[Any]:
    found = region.found_by
    where = "" if alone and found is None else f"region {region.region_id} ({_place(region)})  "
    if found is not None:
        where += f"{found.prompt.text!r} {found.score:.0%}  "
    verdict = region.best or "unknown"
    if region.broader is not None:
        verdict += f" ({region.broader.probability:.0%}), perhaps {region.labels[0].label}"
    rung = f" ({region.rung})" if region.rung else ""
    yield Padding(
        Text.assemble(where, plain(verdict, "bold cyan"), "  ", _status(region.status), plain(rung, "dim")),
        (1, 0, 0, 0),
    )
    yield _ranking(region)
    if said := " · ".join(_how(region)):
        yield plain(said, "dim")


def _how(region: Region) -> Iterator[str]:
    """Say what decided: each gate with its threshold, then what a model was asked."""
    for gate in region.gates:
        sign, own = "≥" if gate.open else "<", "" if gate.calibrated else ", uncalibrated"
        yield f"{gate.name} {gate.value:.2f} {sign} {gate.threshold:.2f}{own}"
    if (judged := region.judgement) is not None:
        took = "kept answer" if judged.cached else f"{judged.duration_s * 1000:.0f} ms"
        read = f", {judged.tokens} tokens" if judged.tokens else ""
        text = "" if judged.parsing == "read" else f", text {judged.parsing}"
        weights = ", ".join(f"{each.source} {each.weight:g}" for each in judged.evidence)
        yield f"{judged.mode}, {took}{read}{text}; weights: {weights}"


def _ranking(region: Region) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("label", overflow="fold")
    table.add_column("prob.", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for each in (said := _evidence(region)):
        table.add_column(each.source, justify="right", no_wrap=True)
    table.add_column("nearest exemplars", overflow="fold")
    found = {candidate.label: candidate for candidate in region.candidates}
    for label, probability in region.labels:
        shares = (percent(each.share(label)) for each in said)
        votes = _votes(found.get(label))
        table.add_row(plain(label), percent(probability), _bar(probability), *shares, votes)
    unknown = region.probability_unknown
    table.add_row(plain("unknown", "magenta"), percent(unknown), _bar(unknown))
    return table


def _bar(share: float) -> Text:
    return plain("█" * round(share * _BAR_CELLS), "cyan")


def _votes(candidate: Candidate | None) -> Text:
    if candidate is None or not candidate.neighbours:
        return plain("")
    first, more = candidate.neighbours[0], len(candidate.neighbours) - 1
    others = f" and {more} more" if more else ""
    return plain(f"{first.similarity:.2f} {first.kind} {first.exemplar_id[:_ID_SHOWN]}{others}", "dim")
