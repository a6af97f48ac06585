"""Lessons in which names are asked for by a picture of such a thing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from models.segmentation.lessons import Lesson
from models.segmentation.samples import Prompt, PromptKind
from models.segmentation.scenes.pools import Pool


def pictures(pools: Iterable[Pool]) -> dict[str, tuple[str, ...]]:
    """Return the ids of all drawings of what each name names."""
    found: dict[str, list[str]] = defaultdict(list)
    for pool in pools:
        for group in pool.groups.values():
            found[group[0].name] += [drawing.id for drawing in group]
    return {name: tuple(ids) for name, ids in found.items()}


def by_exemplar(lesson: Lesson, shown: Mapping[str, Sequence[str]]) -> Lesson:
    """Return a lesson whose names are pictures: each of a drawing that is not in it.

    Prompts for which there is no such drawing are left out.

    Args:
        lesson: That is asked names.
        shown: Ids of the drawings that show what a name names.
    """
    asked: list[Prompt] = []
    place: dict[int, int] = {}
    for index, prompt in enumerate(lesson.prompts):
        others = [each for each in shown.get(prompt.text, ()) if each not in lesson.cutouts]
        if others:
            place[index] = len(asked)
            asked.append(Prompt(PromptKind.EXEMPLAR, others[index % len(others)]))

    def renumbered(answers: Sequence[frozenset[int]]) -> tuple[frozenset[int], ...]:
        return tuple(frozenset(place[old] for old in each if old in place) for each in answers)

    return replace(
        lesson,
        prompts=tuple(asked),
        answers=renumbered(lesson.answers),
        crowd_answers=renumbered(lesson.crowd_answers),
        verified=None,
    )
