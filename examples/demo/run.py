"""Teaches and asks, as any application would: with the public client and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from examples.demo.baseline import PixelMemory
from examples.demo.modes import ANSWER_SIZE, MODES, Answer, Guess, Mode, Round
from examples.demo.task import Picture, Task, at_most
from fovea import Client, Collection, Lesson, Options
from fovea.client import Recognition

_ALONE = 40
T = TypeVar("T")


class Watcher(Protocol):
    """Whoever shows how far it is."""

    def __call__(self, items: Iterable[T], title: str, total: int) -> Iterator[T]:
        """Yield the items, and show how many of them came."""
        ...


def play_all(client: Client, task: Task, *, most: int | None, watch: Watcher) -> tuple[Round, ...]:
    """Teach and ask in every mode, one after the other."""
    return tuple(play(client, task, mode, most=most, watch=watch) for mode in MODES)


def play(client: Client, task: Task, mode: Mode, *, most: int | None, watch: Watcher) -> Round:
    """Teach one mode to a collection of its own, then ask it.

    Args:
        client: Of a running Fovea.
        task: What to teach and to ask.
        mode: Whether by pictures, names, or both.
        most: Bound on the known pictures asked per vendor, and a quarter of it on the unknown; None: all.
        watch: Shows how far it is.
    """
    client.create_collection(Collection(_collection(mode), description=f"Demonstration: {mode.title}"))
    there = client.using(collection=_collection(mode))
    began = time.perf_counter()
    exemplars = _teach(there, task, mode, watch)
    taught = time.perf_counter()
    answers = tuple(_ask(there, task, mode, most=most, watch=watch))
    asked = time.perf_counter()
    return Round(
        mode=mode,
        answers=answers,
        guesses=_guesses(task, answers) if mode.pictures else (),
        exemplars=exemplars,
        classes=len(task.labels),
        teach_s=taught - began,
        recognize_s=asked - taught,
    )


def ask_alone(client: Client, task: Task) -> tuple[float, ...]:
    """Return how long the caller waits for single answers, in seconds, one call after the other."""
    there = client.using(collection=_collection(MODES[0]))
    asked = at_most(queries(task.taught, task, MODES[0]), _ALONE // 2, seed=task.seed)
    return tuple(_timed(there, picture) for picture in asked)


def queries(pictures: Sequence[Picture], task: Task, mode: Mode) -> tuple[Picture, ...]:
    """Return the pictures that were not taught: where pictures are, the teacher's are none."""
    return tuple(one for one in pictures if not (mode.pictures and one.vendor == task.teacher))


def _teach(client: Client, task: Task, mode: Mode, watch: Watcher) -> dict[str, Picture | str]:
    """Return what each exemplar's id stands for."""
    shown: list[Picture | str] = []
    lessons: list[Lesson] = []
    if mode.pictures:
        shown += task.lessons
        lessons += [Lesson(picture.label, image=picture.path) for picture in task.lessons]
    if mode.names:
        shown += task.labels
        lessons += [Lesson(label) for label in task.labels]
    ids = []
    for taught in watch(client.teach(lessons), f"Teaching: {mode.title.lower()}", len(lessons)):
        if taught.failure:
            raise taught.failure
        ids.append(taught.exemplar_id)
    return dict(zip(ids, shown, strict=True))


def _ask(client: Client, task: Task, mode: Mode, *, most: int | None, watch: Watcher) -> Iterator[Answer]:
    known = queries(task.taught, task, mode)
    strange = queries(task.held_out, task, mode)
    if most is not None:
        known = at_most(known, most, seed=task.seed)
        strange = at_most(strange, max(1, most // 4), seed=task.seed)
    asked = (*known, *strange)
    found: Iterable[Recognition] = client.recognize_many(
        (picture.path for picture in asked), options=Options(size=ANSWER_SIZE)
    )
    watched = watch(found, f"Asking: {mode.title.lower()}", len(asked))
    for place, (picture, recognition) in enumerate(zip(asked, watched, strict=True)):
        yield Answer(picture, place < len(known), recognition)


def _guesses(task: Task, answers: Sequence[Answer]) -> tuple[Guess, ...]:
    memory = PixelMemory(task.lessons)
    return tuple(memory.guess(answer.picture) for answer in answers)


def _timed(client: Client, picture: Picture) -> float:
    began = time.perf_counter()
    client.recognize(picture.path, size=ANSWER_SIZE)
    return time.perf_counter() - began


def _collection(mode: Mode) -> str:
    return f"emoji-{mode.key}"
