"""Pictures of one colour, and questions about them."""

from __future__ import annotations

import numpy as np

from services.kernel.geometry import Box
from services.kernel.vocabulary import Region, RegionOrigin
from services.ranking.adapters.remote.pictures import jpeg_of
from services.ranking.domain.asking import Question
from tests.fakes.openai_server import COLOURS


def picture(colour: str) -> np.ndarray:
    """A square of a colour."""
    return np.full((64, 64, 3), COLOURS[colour], np.uint8)


def whole(colour: str) -> Region:
    """All of such a square."""
    return Region(colour, Box(0.0, 0.0, 64.0, 64.0), RegionOrigin.WHOLE_IMAGE)


def jpeg(colour: str) -> bytes:
    """The square as servers get it."""
    return jpeg_of(picture(colour), whole(colour), most_px=768)


def question(colour: str, *labels: str) -> Question:
    """Which of these colours is it?"""
    return Question(picture(colour), whole(colour), labels, ("",) * len(labels))
