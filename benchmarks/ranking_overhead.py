"""What ranking itself takes beside the models' forward passes: gates, plan, prompts, tokens, joining, record.

The models answer at once here, so that all that is measured is ours. The picture is small and whole; what it
takes to read, decode and crop it is said apart, since a model of any kind needs that.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Final

import numpy as np

from benchmarks.pictures import photograph
from benchmarks.table import milliseconds, table
from models.language.tokenizer import LanguageTokenizer
from services.kernel.crops import crops
from services.kernel.rankings import Candidate, Candidates
from services.kernel.regions import whole_image
from services.kernel.sharing import Once, Turns
from services.kernel.vocabulary import ImageReference, RecognitionOptions
from services.ranking.adapters.described import Described, letter_tokens
from services.ranking.adapters.multimodal import MultimodalRanker
from services.ranking.domain.asking import Effort, Mode
from services.ranking.domain.ordering import Thresholds
from services.ranking.domain.planning import Plan
from services.ranking.usecases import Answer, AskRanker, Desk, QuestionKey, Rank
from services.ranking.usecases.pictures import Pictures
from services.runtime import deadline
from services.runtime.model_execution.crops import Sight
from services.runtime.model_execution.folder import ModelFolder
from services.runtime.model_execution.settings import ModelSettings
from services.runtime.model_execution.tables import Ordering
from tests.fakes.ranking import RecordingMonitor

CANDIDATES: Final = (5, 10, 26)
_REPEATS: Final = 60
_IMAGE_TOKENS: Final = 5
_SIDE_PX: Final = 224


class NoModels:
    """Answers at once."""

    def identity(self, name: str) -> str:
        """Return a name."""
        return f"{name}@0"

    def run(self, name: str, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return numbers of the right shape."""
        if name == "eye":
            return {"embeddings": np.zeros((len(tensors["crops"]), 8), dtype=np.float32)}
        if "reads" not in tensors:
            return {"tokens": np.zeros((len(tensors["embeddings"]), _IMAGE_TOKENS, 8), dtype=np.float32)}
        shape = (*tensors["reads"].shape, tensors["choices"].shape[-1])
        return {"log_probabilities": np.full(shape, -3.0, dtype=np.float32)}


@dataclass(frozen=True)
class OnePicture:
    """An image store with one image, read without looking at its digest."""

    data: bytes = field(default_factory=lambda: photograph(1, side_px=_SIDE_PX))

    def read(self, image: ImageReference) -> bytes:  # noqa: ARG002  (there is one)
        """Return it."""
        return self.data


@dataclass(frozen=True)
class Overhead:
    """Processor time of one ranking, in seconds.

    Attributes:
        candidates: Of the one region.
        orders: In which they were shown.
        own_s: Beside models and picture.
        picture_s: To read, decode and crop the picture.
    """

    candidates: int
    orders: int
    own_s: float
    picture_s: float


def measure() -> list[Overhead]:
    """Measure with the tokenizer of the shipped model. Raises NotFound without it."""
    tokens, ordering = _shipped()
    sight = Sight("eye", {"embeddings": "visual"})
    described = Described(
        "ranker", ordering, tokens, sight, {"embeddings": "embeddings"}, letter_tokens(tokens), _IMAGE_TOKENS
    )
    return [_overhead(described, count, orders) for count in CANDIDATES for orders in (1, 2)]


def report(found: Sequence[Overhead]) -> str:
    """Return the table."""
    head = ("own processor time of one ranking", "ms", "picture, ms")
    rows = [
        (
            f"{each.candidates} candidates, {each.orders} order{'s' * (each.orders > 1)}",
            milliseconds(each.own_s),
            milliseconds(each.picture_s),
        )
        for each in found
    ]
    return (
        f"{table(head, rows)}\nThe models answer at once. Stated: at most 2 ms at 10 candidates, one order."
    )


def _shipped() -> tuple[LanguageTokenizer, Ordering]:
    folder = ModelFolder(ModelSettings().model_folder / "fovea-ranker" / "1")
    ordering = folder.description.ranking
    if ordering is None:
        raise RuntimeError("the shipped model does not order candidates")
    plain = ordering.model_copy(update={"local_model": ""})
    return LanguageTokenizer.from_file(folder.external("tokenizer")), plain


def _overhead(described: Described, count: int, orders: int) -> Overhead:
    models, images = NoModels(), OnePicture()
    ranker = MultimodalRanker(models, described)
    once: Once[QuestionKey, Answer] = Once(deadline, most=0)
    wanted = Plan(26, Effort(Mode.LETTERS, orders), regions=0)
    desk = Desk(deadline, Turns(deadline, at_once=1), once, wanted, budget_s=60.0)
    rank = Rank(
        thresholds=Thresholds(0.9, 0.9, 0.5),
        monitor=RecordingMonitor(),
        version="0",
        ask=AskRanker(ranker, images, desk, RecordingMonitor()),
    )
    image = _reference(images.data)
    whole = whole_image(image)
    pictures = Pictures(images, least_px=ranker.terms().picture_px)

    def look() -> None:
        (part,) = pictures(image, [whole])
        crops(part.pixels, [part.region], described.sight.preparation)

    own, seen = [], []
    for turn in range(_REPEATS):
        found = _found(count, turn)
        whole_s = _processor_s(partial(rank, [found], RecognitionOptions(), image=image, regions=[whole]))
        seen.append(_processor_s(look))
        own.append(whole_s - seen[-1])
    return Overhead(count, orders, median(own), median(seen))


def _processor_s(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _found(count: int, turn: int) -> Candidates:
    """Return candidates that the gates leave open; other names each time."""
    weights = [2.0**-i for i in range(count)]
    some = tuple(
        Candidate(f"northern spotted warbler {turn} {i}", weight / sum(weights), ())
        for i, weight in enumerate(weights)
    )
    return Candidates("0", some, margin=0.1, entropy=1.0, unknown_score=0.1, votes=())


def _reference(data: bytes) -> ImageReference:
    digest = hashlib.sha256(data).hexdigest()
    return ImageReference(digest, digest, "image/jpeg", len(data), _SIDE_PX, _SIDE_PX)


if __name__ == "__main__":
    print(report(measure()))
