from pathlib import Path

import numpy as np
import pytest
import torch

from models.segmentation.data import read_levels
from models.segmentation.judging.data import mask_overlaps
from models.segmentation.lessons import Lesson
from models.segmentation.network import Detector, Maps
from models.segmentation.relating.cues import CUES, said
from models.segmentation.relating.network import Cues, Relations
from models.segmentation.relating.train import (
    RelatingSettings,
    Scene,
    found_in,
    learn_cues,
    learn_relations,
)
from models.segmentation.relating.wordings import KEPT_WORDINGS, WORDINGS, as_sentences, reworded
from models.segmentation.samples import Prompt, PromptKind
from models.segmentation.scenes.phrases import Fact, claims, group
from models.segmentation.scenes.referring import SENTENCES, UNHEARD_SENTENCES
from tests.models.segmentation.conftest import SMALL

CHANNELS = 3
FACTS = [
    Fact("cup", "red", 0.2, 0.1, 40.0),
    Fact("cup", "blue", 0.35, 0.7, 80.0),
    Fact("cup", "red", 0.7, 0.3, 120.0),
    Fact("cup", "green", 0.9, 0.9, 20.0),
]


def test_two_phrases_that_are_true_of_other_things_differ_in_their_cues() -> None:
    for facts in (FACTS, FACTS[:2], FACTS[1:]):
        made = claims(group("cup", facts))
        answers: dict[bytes, frozenset[int]] = {}
        for claim in made:
            known = answers.setdefault(said(claim.text).tobytes(), claim.answers)
            assert known == claim.answers, claim.text
        assert len(made) > 10


def test_cues_are_whole_words_in_either_case() -> None:
    assert [CUES[at] for at in np.flatnonzero(said("The FIRST red cup from the left"))] == [
        "red",
        "from the left",
        "first",
    ]
    assert not said("a hundred credited knotty bottomless cups").any()


def test_no_way_to_ask_has_a_cue_or_is_one_that_evaluation_asks_in() -> None:
    every = (*WORDINGS, *KEPT_WORDINGS, *SENTENCES, *UNHEARD_SENTENCES)

    assert not any(said(wording).any() for wording in every)
    assert len(set(every)) == len(every)


def test_phrases_are_asked_in_all_wordings_in_turn() -> None:
    asked = reworded(["the red cup"] * 100, times=2)

    assert {len(ways) for ways in asked} == {2}
    assert {text for ways in asked for text in ways} == {
        wording.format("the red cup") for wording in WORDINGS
    }
    assert reworded(["the cup", "the star"], times=1, wordings=("A {}!", "{}?")) == [
        ["A the cup!"],
        ["the star?"],
    ]


def test_a_phrase_that_is_asked_as_a_sentence_has_the_same_answers(small: Detector) -> None:
    known = lesson_of(small, torch.rand(2, 4), [{0, 1}, {3}], {0, 1, 2, 3})

    asked = as_sentences(known, {"the cup 0": "A name?", "the cup 1": "Where is the cup 1?"})

    kinds = [PromptKind.NAME, PromptKind.SENTENCE, PromptKind.SENTENCE, PromptKind.PHRASE]
    texts = ["the cup 0", "Where is the cup 1?", "the cup 2", "the cup 3"]
    assert asked.prompts == tuple(map(Prompt, kinds, texts))
    assert asked.answers == known.answers


@pytest.fixture
def relations() -> Relations:
    torch.manual_seed(0)
    made = Relations(SMALL, CHANNELS).eval()
    torch.nn.init.normal_(made.output[-1].weight)
    return made


def drawn(count: int) -> tuple[torch.Tensor, ...]:
    """Return insides, boxes, sentences and logits of one picture with so many regions, and four phrases."""
    rng = torch.Generator().manual_seed(count)
    start = torch.rand(1, count, 2, generator=rng) * 0.8
    return (
        torch.rand(1, count, CHANNELS, generator=rng),
        torch.cat([start, start + 0.1], -1),
        torch.nn.functional.normalize(torch.randn(1, 4, SMALL.texts, generator=rng), dim=-1),
        torch.randn(1, count, 4, generator=rng),
    )


def test_at_the_start_nothing_is_added() -> None:
    assert not Relations(SMALL, CHANNELS)(*drawn(5)).any()


def test_nothing_is_added_for_what_is_no_sentence(relations: Relations) -> None:
    insides, boxes, sentences, logits = drawn(5)
    sentences[:, 1] = 0

    found = relations(insides, boxes, sentences, logits)

    assert (found == 0).all(1).tolist() == [[False, True, False, False]]


def test_a_phrase_means_the_same_beside_any_others(relations: Relations) -> None:
    insides, boxes, sentences, logits = drawn(7)

    alone = relations(insides, boxes, sentences[:, 2:3], logits[..., 2:3])

    torch.testing.assert_close(relations(insides, boxes, sentences, logits)[..., 2:3], alone)


def test_the_order_of_regions_makes_no_difference(relations: Relations) -> None:
    insides, boxes, sentences, logits = drawn(7)
    order = torch.tensor([3, 1, 6, 0, 2, 5, 4])

    found = relations(insides[:, order], boxes[:, order], sentences, logits[:, order])

    torch.testing.assert_close(found, relations(insides, boxes, sentences, logits)[:, order])


def test_a_thing_with_two_boxes_counts_once(relations: Relations) -> None:
    insides, boxes, sentences, logits = drawn(3)
    twice = [torch.cat([each, each[:, -1:]], 1) for each in (insides, boxes, logits)]
    again = relations(twice[0], twice[1], sentences, twice[2])

    torch.testing.assert_close(again[:, :3], relations(insides, boxes, sentences, logits))


def wordings(said_cues: list[str]) -> dict[str, np.ndarray]:
    """Return vectors of sentences with a cue each and many nouns; a sentence is near to its noun."""
    rng = np.random.default_rng(0)
    nouns = rng.standard_normal((40, SMALL.texts))
    cues = rng.standard_normal((len(said_cues), SMALL.texts))
    return {
        f"the {cue} noun{number}": ((noun + own) / np.linalg.norm(noun + own)).astype(np.float32)
        for number, noun in enumerate(nouns)
        for cue, own in zip(said_cues, cues, strict=True)
    }


def test_it_learns_cues_of_nouns_it_never_saw_and_goes_on_where_it_stopped(tmp_path: Path) -> None:

    texts = wordings(["red", "leftmost", "biggest"])
    known = dict(list(texts.items())[:90])
    settings = RelatingSettings(cue_steps=300, saved_every=100)
    torch.manual_seed(0)
    cues = Cues(SMALL)

    learn_cues(cues, known, settings, checkpoint=tmp_path / "cues.pt", report=lambda *_: None)

    unheard = [text for text in texts if text not in known]
    found = torch.sigmoid(cues(torch.from_numpy(np.stack([texts[text] for text in unheard])))) > 0.5
    right = (found.numpy() == np.stack([said(text) for text in unheard])).all(1)
    assert right.mean() > 0.9
    again = Cues(SMALL)
    steps: list[int] = []
    learn_cues(
        again, known, settings, checkpoint=tmp_path / "cues.pt", report=lambda step, _: steps.append(step)
    )
    assert not steps
    torch.testing.assert_close(again.state_dict(), cues.state_dict())


class Told(Cues):
    """Reads cues from where they stand in the vector."""

    def forward(self, sentences: torch.Tensor) -> torch.Tensor:
        return torch.where(
            torch.arange(len(CUES)) < 2, sentences[..., :1] * 0, -20.0
        ) + torch.nn.functional.pad(sentences[..., :2] * 40 - 20, (0, len(CUES) - 2))


def scene(number: int) -> Scene:
    """Return three things of the name asked for and two others, for "the leftmost" and "the red"."""
    rng = torch.Generator().manual_seed(number)
    middles = torch.rand(5, 2, generator=rng)
    insides = torch.rand(5, CHANNELS, generator=rng)
    logits = torch.tensor([4.0, 4, 4, -6, -6])[:, None].expand(5, 2)
    true = torch.zeros(5, 2)
    true[middles[:3, 0].argmin(), 0] = True
    true[:3, 1] = (insides[:3, 0] > 0.5).float()
    sentences = torch.eye(2, SMALL.texts)
    boxes = torch.cat([middles - 0.02, middles + 0.02], 1)
    return Scene(insides, boxes, sentences, logits, true, torch.ones_like(true, dtype=torch.bool))


def test_it_learns_which_of_the_things_of_a_name_a_phrase_is_true_of(tmp_path: Path) -> None:
    torch.manual_seed(0)
    relations = Relations(SMALL, CHANNELS)
    relations.cues = Told(SMALL)
    settings = RelatingSettings(steps=300, saved_every=300, batch=16, rate=5e-3)

    learn_relations(
        relations,
        [scene(number) for number in range(400)],
        settings,
        checkpoint=tmp_path / "relations.pt",
        report=lambda *_: None,
    )

    right = []
    with torch.inference_mode():
        for each in map(scene, range(1000, 1100)):
            added = relations(each.insides[None], each.boxes[None], each.sentences[None], each.logits[None])[
                0
            ]
            right.append(((each.logits + added > 0) == (each.true > 0)).all(0))
    assert torch.stack(right).float().mean(0).min() > 0.85


def lesson_of(detector: Detector, boxes: torch.Tensor, answers: list[set[int]], verified: set[int]) -> Lesson:
    """Return a lesson of noise, with things in these boxes; asked one name and three phrases."""
    shape = (1, SMALL.side_px, SMALL.side_px, 3)
    noise = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    asked = [PromptKind.NAME, PromptKind.PHRASE, PromptKind.SENTENCE, PromptKind.PHRASE]
    return Lesson(
        maps=tuple(level[0].numpy().astype(np.float16) for level in detector.read(noise).levels),
        boxes=boxes.numpy(),
        masks=np.full((len(boxes), 24, 24), 255, np.uint8),
        answers=tuple(map(frozenset, answers)),
        stuff=(False,) * len(boxes),
        labels=("cup",) * len(boxes),
        cutouts=(None,) * len(boxes),
        prompts=tuple(Prompt(kind, f"the cup {number}") for number, kind in enumerate(asked)),
        data_set="noise",
        weak=False,
        verified=frozenset(verified),
    )


def test_a_phrase_is_true_of_regions_on_what_answers_it_and_of_those_near_it_nobody_knows(
    small: Detector,
) -> None:
    rng = np.random.default_rng(0)
    texts = {f"the cup {number}": rng.standard_normal(SMALL.texts).astype(np.float32) for number in range(4)}
    settings = RelatingSettings()
    anything = lesson_of(small, torch.zeros(1, 4), [set()], {0, 1, 2, 3})
    (before,) = found_in(small, [anything], texts, settings)
    places = before.boxes[:2]
    near = places[:1] + torch.tensor([[0.4, 0, 0.4, 0]]) * (places[0, 2] - places[0, 0])  # overlaps by 0.43

    known = lesson_of(small, torch.cat([places, near]), [{0, 1}, {2}, {2}], {0, 1, 2})
    (scene,) = found_in(small, [known], texts, settings)

    assert scene.sentences.shape == (3, SMALL.texts), "the name is not a phrase"
    assert scene.logits.shape == scene.true.shape == (SMALL.queries, 3)
    torch.testing.assert_close(scene.boxes, before.boxes)
    with torch.inference_mode():
        maps = Maps(read_levels(known, torch.device("cpu")))
        masks = mask_overlaps(small.find(maps, scene.sentences[None]), known)
    expected = torch.zeros(2, 3)
    expected[0, 0], expected[1, 1] = masks[0, 0], masks[1, 1]  # their boxes are those of the things
    assert masks[:2, :2].diagonal().all()
    torch.testing.assert_close(scene.true[:2], expected)
    assert scene.counted[0].tolist() == [True, False, False], "near an answer, or not verified"
    assert not scene.counted[:, 2].any()
