"""Scenes that are asked for in words: drawings before a background, and all that is said of them."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from PIL import Image

from examples.demo.task import Picture
from fovea.client import Box, Mask, Prompt, Recognition, Region
from models.segmentation.scenes.textures import TEXTURES, Draws
from models.vision import masks
from models.vision.scenes import CutOut, Placed, SceneSettings, compose

SETTINGS = SceneSettings(640, 480, least_px=80, most_px=150)
GROUNDS = ("grass", "water", "sand", "masonry", "planks", "clouds", "snow", "marble", "asphalt")
KINDS = 5
"""Classes in one scene; the first of them is there twice, drawn by two artists."""
ABSENT = 3
"""Names asked for in a scene that has nothing of them."""


@dataclass(frozen=True, eq=False)
class Thing:
    """One drawing in a scene: its smallest box and its outline, both exact."""

    picture: Picture
    box: Box
    outline: Bool[np.ndarray, "h w"]

    @property
    def mask(self) -> Mask:
        """The outline as the client sends it."""
        height_px, width_px = self.outline.shape
        return Mask(height_px, width_px, masks.encode(self.outline))


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture, and what it is asked for.

    Attributes:
        encoded: As PNG.
        things: What is there.
        prompts: The name of each thing, then a phrase if two things are told apart by it, then names of what
            is not there.
        answers: For each prompt the things that it is true of; none: it is absent.
    """

    encoded: bytes
    things: tuple[Thing, ...]
    prompts: tuple[Prompt, ...]
    answers: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class SceneAnswer:
    """What came back for a scene, asked in words, and asked by the true outline of each thing."""

    scene: Scene
    found: Recognition
    pointed: Recognition

    def regions_of(self, prompt: int) -> tuple[Region, ...]:
        """Return what a prompt found, the surest first."""
        wanted = self.scene.prompts[prompt]
        return tuple(each for each in self.found.regions if each.found_by and each.found_by.prompt == wanted)


def draw(pictures: Sequence[Picture], *, scenes: int, seed: int) -> tuple[Scene, ...]:
    """Compose scenes of the pictures, each class in one scene at most; what finds no room is left out."""
    drawn = random.Random(seed)  # noqa: S311  (no secret)
    by_label: dict[str, list[Picture]] = {}
    for picture in pictures:
        by_label.setdefault(picture.label, []).append(picture)
    labels = drawn.sample(sorted(by_label), len(by_label))
    full = min(scenes, len(labels) // KINDS) * KINDS
    together = [labels[start : start + KINDS] for start in range(0, full, KINDS)]
    return tuple(
        _scene([by_label[label] for label in some], _absent(labels, some, drawn), drawn) for some in together
    )


def _absent(labels: Sequence[str], present: Sequence[str], drawn: random.Random) -> list[str]:
    """Draw names that share no word with what is there: a guide dog would be no wrong answer to a dog."""
    words = {word for label in present for word in label.split()}
    others = [label for label in labels if words.isdisjoint(label.split())]
    return drawn.sample(others, min(ABSENT, len(others)))


def _scene(kinds: Sequence[Sequence[Picture]], absent: Sequence[str], drawn: random.Random) -> Scene:
    twice, *once = kinds
    pictures = [*twice[:2], *(drawn.choice(some) for some in once)]
    cutouts = [CutOut.read(str(number), picture.path) for number, picture in enumerate(pictures)]
    seed = drawn.getrandbits(32)
    ground = TEXTURES[drawn.choice(GROUNDS)]
    background = ground(SETTINGS.width_px, SETTINGS.height_px, Draws(np.random.default_rng(seed)))
    composed = compose(cutouts, SETTINGS, seed=seed, background=background)
    things = tuple(_thing(placed, pictures) for placed in composed.objects)
    packed = io.BytesIO()
    Image.fromarray(composed.image).save(packed, "PNG")
    asked = (*_named(things), *_told_apart(things), *((Prompt(name), ()) for name in absent))
    return Scene(packed.getvalue(), things, *zip(*asked, strict=True))


def _thing(placed: Placed, pictures: Sequence[Picture]) -> Thing:
    box = Box(placed.box.left, placed.box.top, placed.box.right, placed.box.bottom)
    return Thing(pictures[int(placed.label)], box, placed.in_image(SETTINGS.width_px, SETTINGS.height_px))


def _named(things: Sequence[Thing]) -> list[tuple[Prompt, tuple[int, ...]]]:
    labels = dict.fromkeys(thing.picture.label for thing in things)
    return [
        (Prompt(label), tuple(i for i, thing in enumerate(things) if thing.picture.label == label))
        for label in labels
    ]


def _told_apart(things: Sequence[Thing]) -> list[tuple[Prompt, tuple[int, ...]]]:
    """Return the phrase that tells the two things of one class apart, if both are there."""
    for prompt, places in _named(things):
        if len(places) > 1:
            leftmost = min(places, key=lambda place: things[place].box.left + things[place].box.right)
            return [(Prompt(f"the {prompt.text} on the left", "phrase"), (leftmost,))]
    return []
