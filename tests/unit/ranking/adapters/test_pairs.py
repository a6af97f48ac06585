from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from services.kernel.errors import DeadlineExceeded, FoveaError, NotFound
from services.kernel.sharing import Once
from services.kernel.vocabulary import Box, Region, RegionOrigin
from services.ranking.adapters.described import Described
from services.ranking.adapters.multimodal import MultimodalRanker
from services.ranking.adapters.pairs import LOOK_BYTES, Looks
from services.ranking.adapters.pictures import PictureRanker
from services.ranking.domain.asking import Effort, Judgement, Mode, Question, Shown
from services.ranking.domain.judging import checked_judgement
from services.ranking.domain.ladder import NO_PICTURES, NO_REGION, rung_of
from services.ranking.ports import Ranker
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
    uneven: float = 1.0

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
        uneven = np.broadcast_to(np.arange(28.0)[:, None, None], (len(tensors["tiles"]), 28, 28, 128))
        return {"patches": self.uneven * uneven.astype(np.float32)}


def alike(tensors: Tensors) -> Tensors:
    """The nearer the colour, the likelier the same."""
    apart = np.abs(tensors["query_embeddings"] - tensors["exemplar_embeddings"]).mean(axis=1)
    return {"logits": (-20 * apart).astype(np.float32)[:, None]}


@pytest.fixture
def gallery() -> Gallery:
    return Gallery()


def parts(gallery: Gallery, *, most: int = 100) -> tuple[FunctionModels, Described, Looks]:
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
    return FunctionModels(functions), how, looks


def comparing(gallery: Gallery, *, most: int = 100) -> MultimodalRanker:
    return MultimodalRanker(*parts(gallery, most=most))


def without_language(gallery: Gallery) -> PictureRanker:
    models, how, looks = parts(gallery)
    only = {name: function for name, function in models.functions.items() if name != "ranker"}
    return PictureRanker(FunctionModels(only), how, looks)


def question(*exemplars: tuple[Shown, ...], left_px: float = 0.0) -> Question:
    region = Region("0", Box(left_px, 0.0, left_px + 60.0, 60.0), RegionOrigin.CALLER)
    return Question(picture(GREY), region, LABELS, ("",) * 3, exemplars)


def asked(ranker: Ranker, *exemplars: tuple[Shown, ...]) -> Judgement:
    (said,) = ranker.rank([question(*exemplars)], Effort(ranker.terms().modes[0]))
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


def test_pictures_alone_order_candidates_without_a_language_model(gallery: Gallery) -> None:
    ranker = without_language(gallery)

    said = asked(ranker, (gallery.shown(20),), (gallery.shown(198),), ())

    assert isinstance(ranker, Ranker)
    assert ranker.terms().modes == (Mode.PICTURES,)
    assert [each.source for each in said.evidence] == ["pairs"]
    assert int(np.argmax(said.evidence[0].log_probabilities)) == 1
    assert said.models == ("eye@fake", "local@fake", "pairs@fake")
    assert (said.tokens, said.template, said.whole) == (0, "", True)
    assert checked_judgement(said, labels=3) is said


def test_without_pictures_to_compare_retrieval_stands_and_the_rung_says_why(gallery: Gallery) -> None:
    ranker = without_language(gallery)
    effort = Effort(Mode.PICTURES)

    none, outside, both = ranker.rank(
        [
            question((), (), ()),
            question((gallery.shown(20),), (gallery.shown(198),), (), left_px=500.0),
            question((gallery.shown(20),), (gallery.shown(198),), ()),
        ],
        effort,
    )

    assert isinstance(none, FoveaError)
    assert isinstance(outside, FoveaError)
    assert (rung_of(none), rung_of(outside)) == (NO_PICTURES, NO_REGION)
    assert isinstance(both, Judgement)


def test_pictures_that_come_too_late_are_no_missing_pictures(gallery: Gallery) -> None:
    with deadline.within(0.0), pytest.raises(DeadlineExceeded):
        without_language(gallery).rank([question((gallery.shown(20),), (), ())], Effort(Mode.PICTURES))


def test_drawings_that_all_look_nearly_the_same_say_nothing(gallery: Gallery) -> None:
    said = asked(comparing(gallery), (gallery.shown(250),), (gallery.shown(251),), (gallery.shown(252),))

    assert [each.source for each in said.evidence] == ["letters"]
    assert said.whole


def test_surfaces_look_nearly_the_same_and_are_compared_for_all_that(gallery: Gallery) -> None:
    gallery.uneven = 0.0

    said = asked(comparing(gallery), (gallery.shown(250),), (gallery.shown(251),), (gallery.shown(252),))

    assert [each.source for each in said.evidence] == ["letters", "pairs"]
