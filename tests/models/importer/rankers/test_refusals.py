"""What is no LLaVA or Idefics3 that can be taken, and what is said of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Idefics2Config, Idefics2ForConditionalGeneration

from models.importer.folder import CheckpointFolder
from models.importer.pictures import Pictures
from models.importer.rankers.families import is_ranker, opened_ranker
from models.importer.rankers.reading import reading_of
from models.importer.refusal import Refused
from models.importer.work import import_checkpoint
from tests.models.importer.checkpoints import edit, retensor
from tests.models.importer.rankers import checkpoints


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.llava(tmp_path_factory.mktemp("refused") / "llava")


@pytest.fixture(scope="session")
def shuffled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.idefics3(tmp_path_factory.mktemp("refused") / "idefics3")


@pytest.fixture
def idefics3(shuffled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shuffled, tmp_path / "idefics3"))


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "llava"))


def config(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "config.json", **changes)


def said(file: str, content: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / file).write_text(json.dumps(content), encoding="utf-8")

    return change


def without(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).unlink()


def letter_in_two(folder: Path) -> None:
    """Take the rule away that makes one token of a blank and Q."""
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["model"]["merges"] = [each for each in content["model"]["merges"] if each[-1] != "Q"]
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (config(vision_config__model_type="pixtral"), "vision_config.model_type = 'pixtral'; known are"),
        (config(text_config__model_type="gemma"), "text_config.model_type = 'gemma'; known are"),
        (config(vision_feature_layer=[-2, -1]), "one layer is taken"),
        (config(vision_feature_select_strategy="cls"), "vision_feature_select_strategy"),
        (
            config(text_config__rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}),
            "dynamic",
        ),
        (config(text_config__hidden_size=10**9), "hidden_size"),
        (config(auto_map={"AutoModel": "x.Y"}), "auto_map"),
        (config(image_token_index=5), "another token than 5"),
        (
            said("chat_template.json", {"chat_template": "### Human: <image> ### Assistant:"}),
            "none that is known",
        ),
        (said("chat_template.json", {"chat_template": "[INST] <image> ASSISTANT:"}), "none that is known"),
        (without("tokenizer.json"), "has no tokenizer.json"),
        (without("preprocessor_config.json"), "has no preprocessor_config.json"),
        (letter_in_two, "no token of its own for each letter"),
        (lambda folder: retensor(folder, language_model__lm_head__weight=None), "lm_head.weight is missing"),
    ],
)
def test_it_is_refused_with_the_reason(folder: Path, change: Callable[[Path], None], words: str) -> None:
    change(folder)

    with pytest.raises(Refused) as refused:
        reading_of(opened_ranker(CheckpointFolder(folder)))

    assert words in str(refused.value)


def without_token(token: str) -> Callable[[Path], None]:
    """Take a special token away, which is then read as text."""

    def change(folder: Path) -> None:
        content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        content["added_tokens"] = [each for each in content["added_tokens"] if each["content"] != token]
        (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (config(scale_factor=3), "scale_factor = 3, which does not part 4 patches a side"),
        (config(scale_factor=0), "no square of patches"),
        (config(vision_config__patch_size=[8, 8]), "no square of patches"),
        (config(vision_config__patch_size=5), "no square of patches"),
        (config(text_config__model_type="gemma"), "text_config.model_type = 'gemma'; known are"),
        (config(image_token_id=5), "another token than 5"),
        (said("chat_template.json", {}), "none that is known"),
        (said("chat_template.json", {"chat_template": "User:<image>"}), "none that is known"),
        (without_token("<global-img>"), "has no token '<global-img>', which idefics3-whole needs"),
        (
            said("preprocessor_config.json", {"max_image_size": {"longest_edge": 16}, "resample": 1}),
            "makes 16 pixels",
        ),
        (
            lambda folder: retensor(folder, model__connector__modality_projection__proj__weight=None),
            "modality_projection.proj.weight is missing",
        ),
    ],
)
def test_an_idefics3_is_refused_with_the_reason(
    idefics3: Path, change: Callable[[Path], None], words: str
) -> None:
    change(idefics3)

    with pytest.raises(Refused) as refused:
        reading_of(opened_ranker(CheckpointFolder(idefics3)))

    assert words in str(refused.value)


def test_what_publishers_left_in_a_configuration_changes_nothing(idefics3: Path) -> None:
    was = opened_ranker(CheckpointFolder(idefics3))
    eye = {"model_type": "idefics3", "max_image_size": {"longest_edge": 32}, "use_base_siglip": False}
    config(**{f"vision_config__{key}": value for key, value in eye.items()})(idefics3)
    config(
        perceiver_config={"model_type": "vllama3", "resampler_depth": 6, "hidden_size": 48},
        text_config__pixel_shuffle_factor=4,
        text_config__use_resampler=False,
    )(idefics3)

    found = opened_ranker(CheckpointFolder(idefics3))

    crops = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(found.eye()(crops), was.eye()(crops))


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("idefics", "attention between the layers"),
        ("idefics2", "a shape of its own"),
        ("llava_next", "tiles"),
        ("llava_onevision", "tiles"),
        ("qwen2_vl", "any number of tokens"),
        ("qwen2_5_vl", "any number of tokens"),
    ],
)
def test_other_families_are_named_and_sent_to_a_server(folder: Path, family: str, words: str) -> None:
    edit(folder / "config.json", model_type=family)

    assert is_ranker(CheckpointFolder(folder))
    with pytest.raises(Refused) as refused:
        opened_ranker(CheckpointFolder(folder))
    assert words in str(refused.value)
    assert "docs/rankers.md" in str(refused.value)


def test_a_real_idefics2_is_refused_before_anything_is_written(tmp_path: Path, pictures: Pictures) -> None:
    torch.manual_seed(0)
    eye = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    reader = {**eye, "vocab_size": 64, "num_key_value_heads": 2, "model_type": "mistral"}
    perceiver = {
        "resampler_n_latents": 2,
        "resampler_depth": 1,
        "resampler_n_heads": 2,
        "resampler_head_dim": 8,
    }
    idefics = Idefics2Config(
        vision_config={**eye, "image_size": 28, "patch_size": 14},
        text_config=reader,
        perceiver_config={**perceiver, "num_key_value_heads": 1, "hidden_size": 16},
        image_token_id=5,
    )
    Idefics2ForConditionalGeneration(idefics).save_pretrained(tmp_path / "idefics2")

    with pytest.raises(Refused, match="Idefics2"):
        import_checkpoint(tmp_path / "idefics2", tmp_path / "store", name="i", kinds=(), pictures=pictures)
    assert not list((tmp_path / "store").glob("*"))


def test_a_pickle_is_never_opened(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    with pytest.raises(Refused, match="never"):
        opened_ranker(CheckpointFolder(folder))


def test_variants_are_not_made(folder: Path, tmp_path: Path, pictures: Pictures) -> None:
    with pytest.raises(Refused, match="variants"):
        import_checkpoint(folder, tmp_path / "store", name="x", kinds=("int8",), pictures=pictures)


def test_without_a_template_it_is_laid_out_as_the_first_llava(folder: Path) -> None:
    (folder / "chat_template.json").unlink()

    assert reading_of(opened_ranker(CheckpointFolder(folder))).chat.name == "llava"
