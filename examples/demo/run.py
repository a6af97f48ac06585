"""Teaches and asks, as any application would: with the public client and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import fovea
from examples.demo.baseline import PixelMemory
from examples.demo.modes import ANSWER_SIZE, MODES, Answer, Guess, Mode, Round
from examples.demo.scenes import SceneAnswer
from examples.demo.scenes import draw as draw_scenes
from examples.demo.sheets import SheetAnswer, draw
from examples.demo.task import Picture, Task, at_most
from fovea import Client, Collection, Lesson, Options

_ALONE_PER_VENDOR = 20
_ON_SHEETS_PER_VENDOR = 48
_UNKNOWN_PART = 4
_SCENES = 16
_OPTIONS = Options(size=ANSWER_SIZE)
T = TypeVar("T")


class Watcher(Protocol):
    """Whoever shows how far it is."""

    def __call__(self, items: Iterable[T], title: str, total: int) -> Iterator[T]:
        """Yield the items, and show how many of them came."""
        ...


@dataclass(frozen=True)
class Demonstration:
    """Teaches and asks one task in every mode.

    Attributes:
        client: Of a running Fovea.
        task: What to teach and to ask.
        watch: Shows how far it is.
        most: Bound on the known pictures asked per vendor, and a quarter of it on the unknown; None: all.
    """

    client: Client
    task: Task
    watch: Watcher
    most: int | None

    def run(self) -> tuple[Round, ...]:
        """Teach and ask in every mode, one after the other.

        In the first mode every picture is new to Fovea, which later keeps what it saw. So there some are
        asked one at a time, to see how long a caller waits.
        """
        first, *others = MODES
        return (self._play(first, alone=_ALONE_PER_VENDOR), *(self._play(mode, alone=0) for mode in others))

    def ask_sheets(self) -> tuple[SheetAnswer, ...]:
        """Ask sheets of known things, with a box around each, where classes were taught by pictures."""
        there = self.client.using(collection=_collection(MODES[0]))
        things = at_most(
            queries(self.task.taught, self.task, MODES[0]), _ON_SHEETS_PER_VENDOR, seed=self.task.seed
        )
        sheets = draw(things, seed=self.task.seed)
        pictures = (fovea.Picture(sheet.encoded, regions=sheet.boxes) for sheet in sheets)
        found = there.recognize_many(pictures, options=_OPTIONS)
        watched = self.watch(found, "Asking: many in one picture", len(sheets))
        return tuple(SheetAnswer(*pair) for pair in zip(sheets, watched, strict=True))

    def ask_scenes(self) -> tuple[SceneAnswer, ...]:
        """Ask scenes in words, then by true outlines, where classes were taught by pictures."""
        there = self.client.using(collection=_collection(MODES[0]))
        asked = queries(self.task.taught, self.task, MODES[0])
        most = _SCENES if self.most is None else min(_SCENES, self.most)
        scenes = draw_scenes(asked, scenes=most, seed=self.task.seed)
        worded = (fovea.Picture(scene.encoded, prompts=scene.prompts) for scene in scenes)
        outlined = (
            fovea.Picture(scene.encoded, regions=[thing.mask for thing in scene.things]) for scene in scenes
        )
        answers = there.recognize_many(worded, options=_OPTIONS)
        found = list(self.watch(answers, "Asking: scenes, in words", len(scenes)))
        shown = there.recognize_many(outlined, options=_OPTIONS)
        return tuple(SceneAnswer(*three) for three in zip(scenes, found, shown, strict=True))

    def _play(self, mode: Mode, *, alone: int) -> Round:
        """Teach one mode to a collection of its own, then ask it, some pictures alone."""
        name = _collection(mode)
        self.client.create_collection(Collection(name, description=f"Demonstration: {mode.title}"))
        there = self.client.using(collection=name)
        asked = self._asked(mode)
        singles = at_most(asked, alone, seed=self.task.seed)
        streamed = tuple(picture for picture in asked if picture not in set(singles))
        began = time.perf_counter()
        exemplars = self._teach(there, mode)
        teach_s = time.perf_counter() - began
        timed = [self._ask_alone(there, picture) for picture in singles]
        began = time.perf_counter()
        answers = (*(answer for answer, _ in timed), *self._ask_all(there, mode, streamed))
        return Round(
            mode=mode,
            answers=answers,
            guesses=_guesses(self.task, answers) if mode.pictures else (),
            exemplars=exemplars,
            classes=len(self.task.labels),
            teach_s=teach_s,
            stream_s=time.perf_counter() - began,
            alone_s=tuple(waited_s for _, waited_s in timed),
        )

    def _asked(self, mode: Mode) -> tuple[Picture, ...]:
        known, strange = (queries(some, self.task, mode) for some in (self.task.taught, self.task.held_out))
        if self.most is None:
            return (*known, *strange)
        seed = self.task.seed
        part = max(1, self.most // _UNKNOWN_PART)
        return (*at_most(known, self.most, seed=seed), *at_most(strange, part, seed=seed))

    def _teach(self, client: Client, mode: Mode) -> dict[str, Picture | str]:
        """Return what each exemplar's id stands for."""
        shown: list[Picture | str] = []
        lessons: list[Lesson] = []
        if mode.pictures:
            shown += self.task.lessons
            lessons += [Lesson(picture.label, image=picture.path) for picture in self.task.lessons]
        if mode.names:
            shown += self.task.labels
            lessons += [Lesson(label) for label in self.task.labels]
        ids = []
        for taught in self.watch(client.teach(lessons), f"Teaching: {mode.title.lower()}", len(lessons)):
            if taught.failure:
                raise taught.failure
            ids.append(taught.exemplar_id)
        return dict(zip(ids, shown, strict=True))

    def _ask_all(self, client: Client, mode: Mode, asked: Sequence[Picture]) -> Iterator[Answer]:
        found = client.recognize_many((picture.path for picture in asked), options=_OPTIONS)
        watched = self.watch(found, f"Asking: {mode.title.lower()}", len(asked))
        for picture, recognition in zip(asked, watched, strict=True):
            yield Answer(picture, self._known(picture), recognition)

    def _ask_alone(self, client: Client, picture: Picture) -> tuple[Answer, float]:
        """Return the answer, and how long its caller waited, in seconds."""
        began = time.perf_counter()
        recognition = client.recognize(picture.path, options=_OPTIONS)
        waited_s = time.perf_counter() - began
        return Answer(picture, self._known(picture), recognition), waited_s

    def _known(self, picture: Picture) -> bool:
        return picture.label in self.task.labels


def queries(pictures: Sequence[Picture], task: Task, mode: Mode) -> tuple[Picture, ...]:
    """Return the pictures that were not taught: where pictures are, the teacher's are none."""
    return tuple(one for one in pictures if not (mode.pictures and one.vendor == task.teacher))


def _collection(mode: Mode) -> str:
    return f"emoji-{mode.key}"


def _guesses(task: Task, answers: Sequence[Answer]) -> tuple[Guess, ...]:
    memory = PixelMemory(task.lessons)
    return tuple(memory.guess(answer.picture) for answer in answers)
