from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from services.kernel.errors import DeadlineExceeded, NotFound
from services.kernel.sharing import Once
from services.kernel.vocabulary import Box, Region, RegionOrigin
from services.ranking.adapters.multimodal import MultimodalRanker
from services.ranking.adapters.pairs import LOOK_BYTES, Looks
from services.ranking.domain.asking import Effort, Judgement, Question, Shown
from services.runtime import deadline
from tests.fakes.language import described, language_models
from tests.fakes.models import FunctionModels, Tensors

GREY, LABELS = 200, ("robin", "wren", "great tit")


def picture(grey: int) -> np.ndarray:
    return np.full((60, 60, 3), grey, dtype=np.uint8)


@dataclass
class Gallery:
    """Pictures of one colour each; counts how often they were read, and how many were seen at a time."""

    seen: list[int] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    late: bool = False

    def shown(self, grey: int, *, key: str = "", box: Box | None = None) -> Shown:
        name = key or f"images/{grey}"
        return Shown(name, box, self._reader(name, grey))

    def _reader(self, name: str, grey: int) -> Callable[[], np.ndarray]:
        def read() -> np.ndarray:
            self.read.append(name)
            if grey < 0:
                raise NotFound(f"{name} is gone")
            return picture(grey)

        return read

    def local(self, tensors: Tensors) -> Tensors:
        self.seen.append(len(tensors["tiles"]))
        if self.late and len(self.seen) > 1:
            raise DeadlineExceeded("late")
        return {"patches": np.zeros((len(tensors["tiles"]), 28, 28, 128), dtype=np.float32)}


def alike(tensors: Tensors) -> Tensors:
    """The nearer the colour, the likelier the same."""
    apart = np.abs(tensors["query_embeddings"] - tensors["exemplar_embeddings"]).mean(axis=1)
    return {"logits": (-20 * apart).astype(np.float32)}


@pytest.fixture
def gallery() -> Gallery:
    return Gallery()


def comparing(gallery: Gallery, *, most: int = 100) -> MultimodalRanker:
    models = language_models({"robin": -0.5, "wren": -0.6})
    functions = {**models.functions, "local": gallery.local, "pairs": alike}
    how = described()
    how = replace(
        how, ordering=how.ordering.model_copy(update={"local_model": "local", "pairs_model": "pairs"})
    )
    looks: Looks = Once(
        deadline,
        most=most * LOOK_BYTES,
        weigh=lambda kept: LOOK_BYTES if kept.look else most * LOOK_BYTES + 1,
    )
    return MultimodalRanker(FunctionModels(functions), how, looks)


def asked(ranker: MultimodalRanker, *exemplars: tuple[Shown, ...]) -> Judgement:
    region = Region("0", Box(0.0, 0.0, 60.0, 60.0), RegionOrigin.CALLER)
    question = Question(picture(GREY), region, LABELS, ("",) * 3, exemplars)
    (said,) = ranker.rank([question], Effort())
    assert isinstance(said, Judgement)
    return said


def test_the_candidate_whose_pictures_look_alike_is_likelier(gallery: Gallery) -> None:
    said = asked(
        comparing(gallery),
        (gallery.shown(20),),
        (gallery.shown(198),),
        (gallery.shown(90), gallery.shown(80)),
    )

    assert [each.source for each in said.evidence] == ["letters", "pairs"]
    assert int(np.argmax(said.evidence[1].log_probabilities)) == 1
    np.testing.assert_allclose(np.exp(said.evidence[1].log_probabilities).sum(), 1)
    assert said.models == ("eye@fake", "local@fake", "pairs@fake", "projector@fake", "ranker@fake")
    assert said.whole


def test_it_says_how_many_pictures_it_wants_to_see(gallery: Gallery) -> None:
    assert comparing(gallery).terms().exemplars_per_label == 4
    assert MultimodalRanker(language_models({}), described()).terms().exemplars_per_label == 0


def test_a_picture_is_read_and_seen_once(gallery: Gallery) -> None:
    ranker = comparing(gallery)
    each = [(gallery.shown(20),), (gallery.shown(198),), ()]

    first, again = asked(ranker, *each), asked(ranker, *each)

    assert gallery.read == ["images/20", "images/198"]
    np.testing.assert_array_equal(first.evidence[1].log_probabilities, again.evidence[1].log_probabilities)


def test_a_picture_that_is_gone_says_nothing_and_is_looked_for_again(gallery: Gallery) -> None:
    ranker = comparing(gallery)
    each = [(gallery.shown(20),), (gallery.shown(198), gallery.shown(-1, key="gone")), ()]

    said = asked(ranker, *each)
    asked(ranker, *each)

    assert [one.source for one in said.evidence] == ["letters", "pairs"]
    assert not said.whole
    assert gallery.read.count("gone") == 2


def test_one_candidate_with_pictures_has_nothing_to_be_compared_with(gallery: Gallery) -> None:
    said = asked(comparing(gallery), (gallery.shown(20),), (), ())

    assert [each.source for each in said.evidence] == ["letters"]
    assert said.whole


def test_without_time_for_pictures_the_letters_stand_and_it_is_said(gallery: Gallery) -> None:
    gallery.late = True

    said = asked(comparing(gallery), (gallery.shown(20),), (gallery.shown(198),), ())

    assert [each.source for each in said.evidence] == ["letters"]
    assert not said.whole


def test_the_same_picture_with_another_part_is_another_look(gallery: Gallery) -> None:
    part = gallery.shown(20, box=Box(0.0, 0.0, 10.0, 10.0))

    asked(comparing(gallery), (gallery.shown(20), part), (gallery.shown(198),), ())

    assert gallery.read.count("images/20") == 2
