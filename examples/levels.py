"""Answers at the level where the votes suffice: `python -m examples.levels`.

The demonstration's task with Unicode's groups as a hierarchy: a label is a kind of its subgroup, that of its
group. An answer is right at its level if it is the truth or something that the truth is a kind of.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import fovea
from examples.demo.metrics import Share, share
from examples.demo.task import EMOJI, Picture, divide, load
from examples.serving import serving
from fovea.client import Region

_COLLECTION: Final = "levels"
_HELD_OUT: Final = 0.2


@dataclass(frozen=True)
class Answered:
    """What a picture shows and what was said; `path` is the truth and what that is a kind of."""

    path: Sequence[str]
    region: Region

    @property
    def level(self) -> int:
        """How many steps the answer is above the labels that were taught."""
        return self.region.broader.steps if self.region.broader else 0

    @property
    def is_right(self) -> bool:
        """Whether the answer holds for the truth."""
        return self.region.best in self.path


def hierarchy() -> dict[str, str]:
    """Return each label's subgroup, each subgroup's group."""
    with (EMOJI / "classes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    parents = {row["label"]: f"[{row['subgroup']}]" for row in rows}
    parents |= {f"[{row['subgroup']}]": f"[{row['group']}]" for row in rows}
    return parents | {f"[{row['group']}]": "" for row in rows}


def path_of(label: str, parents: Mapping[str, str]) -> list[str]:
    """Return the label and what it is a kind of, up to the top."""
    path = [label]
    while parent := parents.get(path[-1], ""):
        path.append(parent)
    return path


Row = tuple[str, Share]


def main() -> int:
    """Teach, ask, and print what is right at which level."""
    known, strange = measure()
    for title, rows in (("classes that were taught", known), ("classes that were never taught", strange)):
        print(title)
        for what, found in rows:
            low, high = found.interval
            print(f"{what:40} {100 * found.value:5.1f} ({100 * low:.0f}-{100 * high:.0f}) of {found.count}")
    return 0


def measure() -> tuple[list[Row], list[Row]]:
    """Return what is right of classes that were taught, and of those that never were."""
    parents = hierarchy()
    task = divide(load(), teacher="twemoji", held_out=_HELD_OUT, seed=0)
    with serving() as server, fovea.Client(server.target, collection=_COLLECTION) as client:
        client.create_collection(fovea.Collection(_COLLECTION, hierarchy=parents))
        lessons = [fovea.Lesson(picture.label, image=picture.path) for picture in task.lessons]
        for taught in client.teach(lessons):
            if taught.failure is not None:
                raise taught.failure
        known = _ask(client, [picture for picture in task.taught if picture.vendor != task.teacher], parents)
        strange = _ask(
            client, [picture for picture in task.held_out if picture.vendor != task.teacher], parents
        )
    return list(_known(known, parents)), list(_strange(strange))


def _ask(client: fovea.Client, pictures: Sequence[Picture], parents: Mapping[str, str]) -> list[Answered]:
    answers = client.recognize_many(picture.path for picture in pictures)
    return [
        Answered(path_of(picture.label, parents), answer.regions[0])
        for picture, answer in zip(pictures, answers, strict=True)
    ]


def _known(known: Sequence[Answered], parents: Mapping[str, str]) -> Iterator[Row]:
    firsts = [path_of(each.region.labels[0].label, parents) for each in known]
    for level, what in enumerate(("label", "label's subgroup", "label's group")):
        hits = [first[level] in each.path for first, each in zip(firsts, known, strict=True)]
        yield f"always the first {what}", share(hits)
    stands = [
        each.region.best is not None and first[0] == each.path[0]
        for first, each in zip(firsts, known, strict=True)
    ]
    yield "without a hierarchy: a label, or *unknown*", share(stands)
    yield "with it: the level that suffices", share([each.is_right for each in known])
    for level, what in enumerate(("label", "subgroup", "group")):
        chosen = [each for each in known if each.level == level and each.region.best is not None]
        yield f"of these: a {what}", share([each.is_right for each in chosen])
    yield "answered *unknown*, which is wrong", share([each.region.best is None for each in known])


def _strange(strange: Sequence[Answered]) -> Iterator[Row]:
    yield "answered *unknown*", share([each.region.best is None for each in strange])
    broad = [each for each in strange if each.level]
    yield "answered with a group of either kind", share([each.level > 0 for each in strange])
    yield "of these, rightly", share([each.is_right for each in broad])


if __name__ == "__main__":
    sys.exit(main())
