"""What is not imported, and how that is said. Nothing is written then."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.importer.__main__ import main
from models.importer.families import opened
from models.importer.folder import CheckpointFolder
from models.importer.pictures import Pictures
from models.importer.refusal import Refused
from models.importer.tokens import reading_of
from models.importer.work import import_checkpoint
from tests.models.importer.checkpoints import edit, retensor
from tests.models.importer.spoiling import Spoil, spoilt


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: retensor(f, layernorm__weight=None), r"layernorm\.weight is missing"),
        (lambda f: retensor(f, head__weight=torch.zeros(2)), r"head\.weight has no place in a DINOv2"),
        (
            lambda f: retensor(f, layernorm__bias=torch.zeros(5)),
            r"layernorm\.bias is \[5\], the config.* \[32\]",
        ),
        (lambda f: retensor(f, layernorm__bias=torch.zeros(32, dtype=torch.int64)), "floating-point"),
        (lambda f: edit(f / "config.json", hidden_size=40), r"is \[.*32.*\], the configuration says \[.*40"),
        (lambda f: edit(f / "config.json", num_hidden_layers=4), "is missing"),
        (lambda f: edit(f / "config.json", num_hidden_layers=1), "is no configuration of DINOv2"),
        (lambda f: edit(f / "config.json", hidden_size=16_384), "describes .* weights, the files have"),
        (lambda f: edit(f / "config.json", hidden_size=10**12), "1 to 16384 are possible"),
        (lambda f: edit(f / "config.json", num_hidden_layers="many"), "num_hidden_layers = 'many'"),
        (lambda f: edit(f / "config.json", num_attention_heads=5), r"the configuration says \[30"),
        (
            lambda f: edit(f / "config.json", model_type="bert"),
            r"model_type = 'bert'; known are clip \(CLIP\)",
        ),
        (lambda f: edit(f / "config.json", model_type=None), "model_type = None"),
        (lambda f: edit(f / "config.json", auto_map={"AutoModel": "code.Model"}), "auto_map: it needs code"),
        (lambda f: edit(f / "config.json", quantization_config={"bits": 4}), "quantization_config"),
        (lambda f: (f / "config.json").unlink(), r"has no config\.json"),
        (lambda f: (f / "config.json").write_text("{"), "is no JSON"),
        (lambda f: (f / "config.json").write_text("[" * 100_000), "is no JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "is no JSON object"),
        (lambda f: (f / "preprocessor_config.json").unlink(), r"has no preprocessor_config\.json"),
        (lambda f: edit(f / "preprocessor_config.json", do_normalize=False), "do_normalize = false"),
        (lambda f: edit(f / "preprocessor_config.json", resample=5), "resample = 5"),
        (lambda f: edit(f / "preprocessor_config.json", image_std=[0, 1, 1]), "image_std"),
        (lambda f: edit(f / "preprocessor_config.json", image_mean=[0, 1]), "image_mean"),
        (lambda f: edit(f / "preprocessor_config.json", image_mean="grey"), "image_mean"),
        (lambda f: edit(f / "preprocessor_config.json", do_center_crop=False), "not square"),
        (lambda f: edit(f / "preprocessor_config.json", crop_size={"height": 32, "width": 30}), "not square"),
        (lambda f: edit(f / "preprocessor_config.json", size={"shortest_edge": 16}), "not known here"),
        (
            lambda f: edit(
                f / "preprocessor_config.json",
                size={"shortest_edge": 10**6},
                crop_size={"height": 9999, "width": 9999},
            ),
            "1 to 2048 are possible",
        ),
    ],
)
def test_a_checkpoint_whose_files_do_not_agree_is_refused(
    kept: Path, tmp_path: Path, spoil: Spoil, said: str
) -> None:
    folder = spoilt(kept, tmp_path, "dinov2", spoil)

    with pytest.raises(Refused, match=said):
        opened(CheckpointFolder(folder))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda f: edit(f / "preprocessor_config.json", crop_size={"height": 16, "width": 16}),
            "image_size = 32",
        ),
        (lambda f: edit(f / "config.json", text_config__hidden_size=48), "the configuration says"),
        (lambda f: (f / "tokenizer.json").unlink(), r"has no tokenizer\.json"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer that can be opened"),
        (
            lambda f: edit(f / "tokenizer.json", model__vocab__zebra=9999),
            "has the token 9999, the model has 514",
        ),
    ],
)
def test_a_clip_that_does_not_hang_together_is_refused(
    kept: Path, tmp_path: Path, spoil: Spoil, said: str
) -> None:
    folder = spoilt(kept, tmp_path, "clip", spoil)

    with pytest.raises(Refused, match=said):
        reading_of(opened(CheckpointFolder(folder)))


def test_a_tokenizer_that_reads_otherwise_than_the_published_one_is_refused(
    kept: Path, tmp_path: Path
) -> None:
    folder = spoilt(kept, tmp_path, "siglip", lambda f: edit(f / "tokenizer.json", pre_tokenizer=None))

    with pytest.raises(Refused, match="does not give the tokens that transformers gives"):
        reading_of(opened(CheckpointFolder(folder)))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda f: edit(f / "open_clip_config.json", model_cfg__vision_cfg__timm_model_name="vit"),
            "timm_model_name: only OpenCLIP's own",
        ),
        (
            lambda f: edit(f / "open_clip_config.json", model_cfg__text_cfg__hf_model_name="roberta"),
            "hf_model_name: only OpenCLIP's own",
        ),
        (lambda f: edit(f / "open_clip_config.json", model_cfg=None), "has no model_cfg"),
        (
            lambda f: edit(f / "open_clip_config.json", model_cfg__vision_cfg__width=None),
            "sizes of its towers",
        ),
        (
            lambda f: edit(f / "open_clip_config.json", preprocess_cfg__resize_mode="longest"),
            "resizes with longest",
        ),
    ],
)
def test_an_openclip_of_another_make_is_refused(kept: Path, tmp_path: Path, spoil: Spoil, said: str) -> None:
    folder = spoilt(kept, tmp_path, "openclip", spoil)

    with pytest.raises(Refused, match=said):
        opened(CheckpointFolder(folder))


def test_what_is_there_already_is_not_written_over(kept: Path, tmp_path: Path, pictures: Pictures) -> None:
    (tmp_path / "store" / "tiny-text").mkdir(parents=True)

    with pytest.raises(Refused, match="is there already"):
        import_checkpoint(kept / "clip", tmp_path / "store", name="tiny", kinds=(), pictures=pictures)


def test_a_tower_that_differs_from_transformers_is_not_written(
    kept: Path, tmp_path: Path, pictures: Pictures
) -> None:
    folder = spoilt(
        kept, tmp_path, "dinov2", lambda f: retensor(f, layernorm__weight=torch.full((32,), torch.nan))
    )

    with pytest.raises(Refused, match="from transformers"):
        import_checkpoint(folder, tmp_path / "store", name="tiny", kinds=(), pictures=pictures)

    assert list((tmp_path / "store").iterdir()) == []


def test_the_command_says_the_reason_in_one_line_and_ends_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()

    assert main(["import", str(tmp_path / "empty"), "--out", str(tmp_path / "store")]) == 2

    told = capsys.readouterr()
    assert "has no model.safetensors" in told.err
    assert told.err.count("\n") == 1


@pytest.mark.parametrize("name", ["../up", "UPPER", "a/b", "x" * 60])
def test_a_name_that_no_model_can_have_is_refused(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(tmp_path), "--name", name, "--out", str(tmp_path / "store")]) == 2

    assert "is no name of a model" in capsys.readouterr().err


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="--pictures"):
        Pictures.of(tmp_path)
