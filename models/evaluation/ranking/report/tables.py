"""One function a table of what ranking gains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from models.evaluation.metrics import Share
from models.evaluation.ranking import figures
from models.evaluation.ranking.attributes import WAYS as WAYS_DESCRIBED
from models.evaluation.ranking.figures import Coverage, Gain, Spread
from models.evaluation.ranking.hostile import Moved, Places
from models.evaluation.ranking.rows import EVERYTHING, WAYS, Judged
from models.evaluation.ranking.suite import TRUST, Results
from models.evaluation.report.markdown import percent, ranged, table

_DASH: Final = "\N{EN DASH}"
_LEAST_GROUP: Final = 30
"""A group with fewer pictures says nothing."""


def points(gain: Gain) -> str:
    """Return a gain in points with its interval."""
    low, high = (f"{100 * each:+.1f}" for each in gain.interval)
    return f"{100 * gain.value:+.1f} ({low} to {high})"


def shots(results: Results) -> str:
    """Return RAR's table: retrieve, rank, and rank behind the gate."""
    header = [
        "",
        "known",
        "n",
        "in the list",
        "retrieve",
        "rank",
        "gain",
        "gated",
        "asked",
        "own gate",
        "asked",
    ]
    return table(header, [_row(each) for each in results.rows])


def _row(row: Judged) -> list[str]:
    known = f"{row.asked.shots} a class" if row.asked.shots else "names"
    first = [row.asked.title, known, f"{len(row.asked.questions):,}", percent(row.within.value)]
    retrieved = ranged(row.retrieved.share)
    if EVERYTHING not in row.ways:
        return [*first, retrieved, *[_DASH] * 6]
    outcomes = row.outcomes()
    gated = figures.gated(outcomes, TRUST)
    own, asked = figures.calibrated_gate(outcomes)
    return [
        *first,
        retrieved,
        ranged(row.ways[EVERYTHING].share),
        points(figures.gain(row.retrieved.right, row.ways[EVERYTHING].right)),
        points(figures.gain(row.retrieved.right, gated)),
        percent(float((outcomes.margins < TRUST).mean())),
        points(figures.gain(row.retrieved.right, own)),
        percent(float(asked.mean())),
    ]


def ablation(results: Results) -> str:
    """Return what each source gains alone, and all of them, on the questions that all were asked."""
    rows = []
    for each in results.heard:
        gains = [
            points(figures.gain(each.retrieved.right, each.ways[way].right)) if way in each.ways else _DASH
            for way in WAYS
        ]
        count = f"{len(each.asked.questions):,}"
        rows.append([each.asked.name, count, percent(each.retrieved.share.value), *gains])
    if not rows:
        return "Left out."
    means = [points(figures.mean_gain([_gain(row, way) for row in results.heard])) for way in WAYS]
    return table(["", "n", "retrieve", *WAYS], [*rows, ["**mean**", "", _DASH, *means]])


def _gain(row: Judged, way: str) -> Gain:
    return figures.gain(row.retrieved.right, row.ways[way].right if way in row.ways else row.retrieved.right)


def attributes(results: Results) -> str:
    """Return what descriptions of candidates are worth, each way."""
    rows = [
        [
            each.title,
            f"{each.ways[WAYS_DESCRIBED[0]].count:,}",
            percent(each.described),
            *(ranged(each.ways[way]) if way in each.ways else _DASH for way in WAYS_DESCRIBED),
        ]
        for each in results.attributes
    ]
    return table(["", "n", "described", *WAYS_DESCRIBED], rows) if rows else "Left out."


def groups(results: Results) -> str:
    """Return gains in each group of Unicode, of the drawings with all shots together."""
    rows = []
    drawn = [each for each in results.rows if EVERYTHING in each.ways]
    for name in sorted({question.group for row in drawn for question in row.asked.questions}):
        several = [
            figures.gain(row.retrieved.right[chosen], row.ways[EVERYTHING].right[chosen])
            for row in drawn
            if (chosen := _places(row, name))
        ]
        count = sum(each.count for each in several)
        if name and count >= _LEAST_GROUP:
            rows.append([name, f"{count:,}", points(figures.pooled(several))])
    return table(["", "n", "gain"], rows)


def _places(row: Judged, group: str) -> list[int]:
    return [place for place, each in enumerate(row.asked.questions) if each.group == group]


def calibration(results: Results) -> str:
    """Return how far probabilities can be believed."""
    rows = []
    for each in results.rows:
        ways = {"retrieve": each.retrieved} | dict(each.ways)
        errors = [
            _spread(figures.calibration_error(ways[way].confidence, ways[way].right))
            if way in ways
            else _DASH
            for way in ("retrieve", EVERYTHING)
        ]
        rows.append([each.asked.name, f"{len(each.asked.questions):,}", *errors])
    return table(["", "n", "retrieve", "rank"], rows)


def coverage(found: Sequence[Coverage]) -> str:
    """Return how many known things a gate refuses that states so many."""
    rows = [
        [
            each.title,
            percent(each.stated),
            ranged(each.known),
            f"{each.known.count:,}",
            _DASH if each.unknown is None else ranged(each.unknown),
            _DASH if each.unknown is None else f"{each.unknown.count:,}",
        ]
        for each in found
    ]
    return table(["", "stated", "known, refused", "n", "never taught, refused", "n"], rows)


def choices(results: Results) -> str:
    """Return multiple choice with mined distractors."""
    rows = [
        [title, each.way, f"{each.right.count:,}", ranged(each.right), ranged(each.failures)]
        for found in (results.chosen, results.examined)
        for title, several in found
        for each in several
    ]
    return table(["", "by", "n", "right", "no answer"], rows)


def places(found: Places | None) -> str:
    """Return how far the place in the list matters."""
    if found is None:
        return "Left out."
    bias = found.bias
    rows = [
        ["letters chosen, A to E, %", ", ".join(percent(float(each)) for each in bias.chosen)],
        ["what a place adds, nats", ", ".join(f"{each:+.2f}" for each in bias.pull)],
        ["first candidate differs among single orders, %", percent(bias.flips)],
        ["the same between two sets of five orders, %", percent(found.flips_averaged)],
        [
            "spread of a candidate over orders, nats: one order, five",
            f"{bias.spread:.2f}, {bias.spread_averaged:.2f}",
        ],
    ]
    return table(["", f"{bias.questions} questions of five"], rows)


def hostile(found: Sequence[Moved]) -> str:
    """Return what orders in labels do."""
    rows = [
        [
            f"`{each.label!r}`".replace("|", "\\|"),
            f"{each.to_first:+.2f}",
            f"{each.own:+.2f}",
            f"{each.place:.2f}",
            percent(each.flips),
            str(each.count),
        ]
        for each in found
    ]
    header = [
        "label of the last candidate",
        "A gains, nats",
        "itself gains",
        "a place makes",
        "first differs, %",
        "n",
    ]
    return table(header, rows) if rows else "Left out."


def costs(results: Results) -> str:
    """Return what a picture takes, and what a gained point does."""
    gain = figures.mean_gain(results.gains(threshold=TRUST))
    whole = sum(each.median_ms for each in results.costs)
    rows = [[each.source, f"{each.median_ms:.0f}"] for each in results.costs]
    rows.append(["all of them", f"{whole:.0f}"])
    per_point = whole / (100 * gain.value) if gain.value > 0 else math.nan
    rows.append(
        ["for each point gained, without a gate", _DASH if math.isnan(per_point) else f"{per_point:.0f}"]
    )
    return table(["", "ms a picture"], rows)


def summary(results: Results) -> str:
    """Return the goals and what was reached."""
    gated = figures.mean_gain(results.gains(threshold=TRUST))
    losses = [
        row.asked.name
        for row, gain in zip(results.rows, results.gains(threshold=TRUST), strict=True)
        if gain.is_loss
    ]
    chosen = [
        each
        for _, several in results.chosen
        for each in several
        if each.way == EVERYTHING and each.right.count
    ]
    right = Share(sum(each.right.hits for each in chosen), sum(each.right.count for each in chosen))
    large = [each for each in results.coverages if each.known.count >= 1000]  # noqa: PLR2004  (the goal's)
    apart = max((abs(each.known.value - each.stated) for each in large), default=math.nan)
    outcomes = [row.outcomes() for row in results.rows if EVERYTHING in row.ways]
    kept = figures.kept_at(figures.together(outcomes), 0.5) if outcomes else math.nan
    own, asked = figures.kept_behind_own(outcomes) if outcomes else (math.nan, math.nan)
    rows = [
        ["gain over retrieval behind the shipped gate, mean over the rows, points", points(gated), "+6.7"],
        ["rows where it is significantly worse", ", ".join(losses) or "none", "none"],
        ["multiple choice, mined distractors", ranged(right) if right.count else _DASH, "75"],
        [
            "unknown gate, farthest from its stated error where n is 1,000 and more, points",
            percent(apart),
            "2",
        ],
        [
            "gain that is kept when half of the pictures are skipped, one gate for all rows",
            percent(kept),
            "90",
        ],
        [
            "the same behind gates that `calibrate` chooses for each row; share of pictures that they skip",
            f"{percent(own)}; {percent(1 - asked)}",
            "90; 50",
        ],
    ]
    return table(["", "measured", "aim"], rows)


def _spread(found: Spread) -> str:
    low, high = found.interval
    return f"{percent(found.value)} ({100 * low:.0f}{_DASH}{100 * high:.0f})"


def weights(results: Results) -> str:
    """Return how much each source counts."""
    return "; ".join(
        ", ".join(f"{source} {weight:.2f}" for source, weight in each.items())
        for each in results.weights.sets
    )
