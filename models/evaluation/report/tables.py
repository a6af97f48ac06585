"""One function a table of docs/quality.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from models.data.sets.emoji import MAIN_ARTISTS
from models.evaluation.metrics import Share
from models.evaluation.protocols.artists import NAME, PICTURE, Asked
from models.evaluation.protocols.latency import REGIONS, Rate, Stage
from models.evaluation.protocols.names import Named, per_artist
from models.evaluation.protocols.scenes import Found
from models.evaluation.protocols.shots import FewShot
from models.evaluation.protocols.tones import Toned
from models.evaluation.report.markdown import percent, ranged, spread, table, together
from models.evaluation.suite import SetUsed

CANDIDATES: Final = (1, 5, 10, 20, 50)
_HARD: Final = ("country-flag", "person-role", "family", "time")
"""Subgroups whose members look most alike."""


def subjects_of(across: Iterable[Asked], by: str) -> list[str]:
    """Return who answered, in the order in which they were asked."""
    return list(dict.fromkeys(each.subject for each in across if each.by == by))


def chosen(across: Iterable[Asked], subject: str, by: str) -> list[Asked]:
    """Return what one subject made of each artist."""
    return [each for each in across if each.subject == subject and each.by == by]


def across_artists(across: Sequence[Asked], by: str) -> str:
    """Return top-1 for each artist that is asked, and both means."""
    rows = []
    for subject in subjects_of(across, by):
        asked = chosen(across, subject, by)
        first, five = together(each.top(1) for each in asked), together(each.top(5) for each in asked)
        rows.append([subject, *(percent(each.top(1).value) for each in asked), ranged(first), ranged(five)])
    return table(["", *MAIN_ARTISTS, "first, mean", "in the first five"], rows)


def groups(across: Sequence[Asked]) -> str:
    """Return top-1 by picture for each group of Unicode, and for the subgroups that are hardest."""
    some = next(each for each in across if each.by == PICTURE)
    names = [("group", name) for name in dict.fromkeys(row["group"] for row in some.rows)]
    names += [("subgroup", name) for name in _HARD]
    subjects = subjects_of(across, PICTURE)
    rows = []
    for column, name in names:
        shares = [group_share(across, subject, column, name) for subject in subjects]
        title = name if column == "group" else f"*{name}*"
        rows.append(
            [title, str(shares[0].count // len(MAIN_ARTISTS)), *(percent(each.value) for each in shares)]
        )
    return table(["", "classes", *subjects], rows)


def group_share(across: Sequence[Asked], subject: str, column: str, name: str) -> Share:
    """Return top-1 of a group by picture, over all artists."""
    return together(each.within(column, name) for each in chosen(across, subject, PICTURE))


def candidates(across: Sequence[Asked]) -> str:
    """Return how often the truth is among so many candidates: the ceiling of whoever orders them."""
    rows = [
        [
            subject,
            by,
            *(
                percent(together(each.top(k) for each in chosen(across, subject, by)).value)
                for k in CANDIDATES
            ),
        ]
        for by in (PICTURE, NAME)
        for subject in subjects_of(across, by)
    ]
    return table(["", "by", *(f"@{k}" for k in CANDIDATES)], rows)


def unseen(found: Sequence[Named]) -> str:
    """Return names that were never trained on: top-1 of each artist, both means, cACC and sACC."""
    rows = [
        [
            each.subject,
            each.what,
            *(percent(share.value) for share in per_artist(each, len(MAIN_ARTISTS))),
            ranged(each.first),
            ranged(each.five),
            percent(each.cacc),
            f"{each.sacc:.2f}",
        ]
        for each in found
    ]
    header = ["", "candidates", *MAIN_ARTISTS, "first, mean", "in the first five", "cACC", "sACC"]
    return table(header, rows)


def photographs(found: Sequence[Named]) -> str:
    """Return photographs by name."""
    rows = [
        [each.subject, ranged(each.first), ranged(each.five), percent(each.cacc), f"{each.sacc:.2f}"]
        for each in found
    ]
    return table(["", "first", "in the first five", "cACC", "sACC"], rows)


def tones(found: Sequence[Toned]) -> str:
    """Return the five tones of a given emoji told apart, for each artist that is asked."""
    rows = []
    for subject, what in dict.fromkeys((each.subject, each.what) for each in found):
        asked = [each for each in found if (each.subject, each.what) == (subject, what)]
        mean = ranged(together(each.share for each in asked))
        rows.append([subject, what, *(percent(each.share.value) for each in asked), mean])
    return table(["", "of", *MAIN_ARTISTS, "mean"], rows)


def few_shots(found: Sequence[FewShot]) -> str:
    """Return top-1 for each number of shots, with the interval over the draws."""
    counts = list(dict.fromkeys(each.shots for each in found))
    rows = [
        [subject, *(spread(each.top) for each in found if each.subject == subject)]
        for subject in dict.fromkeys(each.subject for each in found)
    ]
    return table(["", *(f"{count} a class" for count in counts)], rows)


def small_objects(found: Sequence[Found]) -> str:
    """Return objects of scenes recognised in each way."""
    return table(
        ["", "first", "in the first five"],
        [[each.title, ranged(each.first), ranged(each.five)] for each in found],
    )


def rates(found: Sequence[Rate]) -> str:
    """Return regions a second for few and many regions, and how the ways compare."""
    ways = list(dict.fromkeys(each.way for each in found))
    speed = {(each.way, each.regions): each.per_s for each in found}
    rows = [[way, *(f"{speed[way, count]:.0f}" for count in REGIONS)] for way in ways]
    if len(ways) > 1:
        rows.append(["ratio", *(f"{speed[ways[1], n] / speed[ways[0], n]:.1f}x" for n in REGIONS)])
    return table(["regions a second", *(f"{count} in the image" for count in REGIONS)], rows)


def stages(found: Sequence[Stage]) -> str:
    """Return the time of each stage."""
    rows = [[each.name, f"{each.median_ms:.1f}", f"{each.p95_ms:.1f}"] for each in found]
    return table(["one picture, ms", "median", "p95"], rows)


def sets(found: Sequence[SetUsed]) -> str:
    """Return which pictures these are, to the byte."""
    return table(
        ["set", "pictures", "SHA-256 of the manifest"],
        [[each.name, f"{each.pictures:,}", f"`{each.manifest[:16]}`"] for each in found],
    )
