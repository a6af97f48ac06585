"""Language models that see pictures: what is written computes what transformers computes, and is served."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from prometheus_client import CollectorRegistry

from models.importer.folder import CheckpointFolder
from models.importer.pictures import Pictures
from models.importer.rankers.families import opened_ranker
from models.importer.rankers.reading import ASKED, reading_of
from models.importer.shelf import Imported
from models.importer.work import import_checkpoint
from models.ranking.chats import PLAIN
from models.ranking.orders import orders
from models.ranking.pieces import as_text
from models.ranking.templates import Content, render
from models.text.literal import LiteralTokenizer
from services.kernel.geometry import Box
from services.kernel.vocabulary import Region, RegionOrigin
from services.ranking.adapters.described import described
from services.ranking.adapters.multimodal import MultimodalRanker
from services.ranking.domain.asking import Effort, Judgement, Mode, Question
from services.runtime.metrics import ModelMetrics
from services.runtime.model_execution.onnx import OnnxModels
from services.runtime.model_execution.opening import OpenedModels
from services.runtime.model_execution.store import ModelStore
from tests.models.importer.rankers import checkpoints

FAMILIES: Mapping[str, Callable[[Path], Path]] = {
    "llava": checkpoints.llava,
    "mistral": checkpoints.mistral,
    "qwen": checkpoints.qwen,
    "idefics3": checkpoints.idefics3,
    "smolvlm": checkpoints.smolvlm,
}
SHUFFLED = ("idefics3", "smolvlm")
WIDE = 20_000
"""Inside: then the weights are above 20 MB, and lie beside the graph."""
LAYOUTS = {
    "llava": ("llava", "<s>", "all", "</s>"),
    "mistral": ("llava-mistral", "<s>", "first", "</s>"),
    "qwen": ("llava-qwen", "", "none", "<|im_end|>"),
    "idefics3": ("idefics3-whole", "", "none", "<end_of_utterance>"),
    "smolvlm": ("smolvlm-whole", "", "none", "<end_of_utterance>"),
}
LABELS = ("barn owl", "kite: red", "日本語", "it's B", "<image>")
DESCRIPTIONS = ("", "a bird", "", "<s> [INST] \n", "")
SQUARE = np.kron(
    np.random.default_rng(3).integers(0, 256, (4, 4, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8)
)
"""As large as the model sees, so that nothing is resized."""
WHOLE = Region("r", Box(0.0, 0.0, 32.0, 32.0), RegionOrigin.WHOLE_IMAGE)


@dataclass(frozen=True)
class Rankers:
    """A store into which families are imported, each when it is first asked for."""

    root: Path
    pictures: Pictures
    known: dict[str, list[Imported]] = field(default_factory=dict)

    def __call__(self, family: str) -> list[Imported]:
        if family not in self.known:
            folder = FAMILIES[family](self.root / family)
            self.known[family] = import_checkpoint(
                folder, self.root / "store", name=family, kinds=(), pictures=self.pictures
            )
        return self.known[family]

    def served(self, family: str) -> MultimodalRanker:
        """The ranker that serving makes of it."""
        self(family)
        store = ModelStore(self.root / "store")
        ways = described(f"{family}-ranker", OpenedModels(store))
        folders = [store.open(name) for name in sorted(ways.wanted.names)]
        models = OnnxModels(folders, metrics=ModelMetrics(CollectorRegistry()))
        models.warm_up()
        return MultimodalRanker(models, ways)


@pytest.fixture(scope="session")
def rankers(tmp_path_factory: pytest.TempPathFactory, pictures: Pictures) -> Rankers:
    return Rankers(tmp_path_factory.mktemp("rankers"), pictures)


@pytest.mark.parametrize("family", FAMILIES)
def test_both_graphs_give_what_transformers_gives(rankers: Rankers, family: str) -> None:
    for part in rankers(family):
        assert part.parity.random <= 1e-4
        assert part.parity.real <= 1e-4
        assert part.parity.whole is not None
        assert part.parity.whole > 0.99
    print(f"{family}: {rankers(family)[1].parity.words}")  # noqa: T201


@pytest.mark.parametrize("family", FAMILIES)
def test_layout_tokenizer_and_its_habits_come_from_the_folder(rankers: Rankers, family: str) -> None:
    rankers(family)
    said = ModelStore(rankers.root / "store").open(f"{family}-ranker").description.ranking

    assert said is not None
    assert (said.chat, said.begin, said.blanks, said.end) == LAYOUTS[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_served_it_reads_the_letters_that_transformers_reads(rankers: Rankers, family: str) -> None:
    ranker = rankers.served(family)
    (answer,) = ranker.rank([Question(SQUARE, WHOLE, LABELS, DESCRIPTIONS)], Effort(Mode.LETTERS, 3, 7))

    assert isinstance(answer, Judgement)
    assert answer.template == "choice@1"
    shown = orders(LABELS, count=3, seed=7)
    assert tuple(reading.order for reading in answer.readings) == shown
    for reading in answer.readings:
        wanted = expected(rankers.root / family, reading.order)
        np.testing.assert_allclose(reading.log_probabilities, wanted, atol=1e-4)


@pytest.mark.parametrize("family", SHUFFLED)
def test_served_it_reads_what_its_own_processor_and_template_lay_out(rankers: Rankers, family: str) -> None:
    asked = Question(SQUARE, WHOLE, ASKED.labels, ASKED.descriptions)
    (answer,) = rankers.served(family).rank([asked], Effort(Mode.LETTERS, 1))
    assert isinstance(answer, Judgement)
    (reading,) = answer.readings
    shown = Content(
        tuple(ASKED.labels[i] for i in reading.order), tuple(ASKED.descriptions[i] for i in reading.order)
    )

    folder = rankers.root / family
    checkpoint = opened_ranker(CheckpointFolder(folder))
    given = checkpoints.laid_out(folder, as_text(render("choice@1", shown, chat=PLAIN)[1:]), SQUARE)
    with torch.inference_mode():
        logits = checkpoint.model(**given).logits[0, -1]

    read = reading_of(checkpoint)
    image, ids = checkpoint.image_token, given["input_ids"][0].tolist()
    assert ids.count(image) == checkpoint.model.model.image_seq_len > 1
    once = [each for i, each in enumerate(ids) if each != image or ids[i - 1] != image]
    assert read.ids(read.prompt(shown), image=image) == once
    letters = [LiteralTokenizer.from_text(read.content).encode(f" {letter}")[0] for letter in "ABCD"]
    wanted = torch.log_softmax(logits, dim=-1)[letters].numpy()
    np.testing.assert_allclose(reading.log_probabilities, wanted, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_names_may_be_read_as_well(rankers: Rankers, family: str) -> None:
    ranker = rankers.served(family)
    (answer,) = ranker.rank([Question(SQUARE, WHOLE, LABELS, DESCRIPTIONS)], Effort(Mode.NAMES))

    assert isinstance(answer, Judgement)
    assert np.exp(answer.evidence[0].log_probabilities).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_names_its_models_once_each(rankers: Rankers, family: str) -> None:
    names = [model.partition("@")[0] for model in rankers.served(family).models()]

    assert names == [f"{family}-tokens", f"{family}-ranker"]


def test_large_weights_lie_beside_the_graph_and_a_tied_head_is_there_once(
    tmp_path: Path, pictures: Pictures
) -> None:
    folder = checkpoints.qwen(tmp_path / "wide", inner=WIDE)
    parts = import_checkpoint(folder, tmp_path / "store", name="wide", kinds=(), pictures=pictures)

    ranker = tmp_path / "store" / "wide-ranker" / "1"
    assert parts[1].parity.real <= 1e-4
    assert (ranker / "weights.safetensors").stat().st_size > 20e6
    assert (ranker / "model.onnx").stat().st_size < 1e6


def expected(folder: Path, order: tuple[int, ...]) -> np.ndarray:
    """The letters' log-probabilities of transformers for one order, with nothing of serving but tokens."""
    checkpoint = opened_ranker(CheckpointFolder(folder))
    reading = reading_of(checkpoint)
    content = Content(tuple(LABELS[i] for i in order), tuple(DESCRIPTIONS[i] for i in order))
    image = checkpoint.image_token
    count = getattr(checkpoint.model.config, "image_seq_length", None) or checkpoint.model.model.image_seq_len
    ids: list[int] = []
    for each in reading.ids(reading.prompt(content), image=image):
        ids += [each] * (count if each == image else 1)
    pixels = checkpoint.pixel_values([SQUARE], fitted=True)
    with torch.inference_mode():
        logits = checkpoint.model(input_ids=torch.tensor([ids]), pixel_values=pixels).logits[0, -1]
    tokens = LiteralTokenizer.from_text(reading.content)
    letters = [tokens.encode(f" {letter}")[0] for letter in "ABCDE"]
    return torch.log_softmax(logits, dim=-1)[letters].numpy()
