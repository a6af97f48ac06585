"""Detectors that are not imported, and how that is said. Nothing is written then."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from models.importer.__main__ import main
from models.importer.detectors.families import opened_detector
from models.importer.detectors.reading import joint_tokenizer
from models.importer.folder import CheckpointFolder
from models.importer.pictures import Pictures
from models.importer.refusal import Refused
from models.importer.work import import_checkpoint
from tests.models.importer.checkpoints import edit, retensor
from tests.models.importer.detectors import checkpoints
from tests.models.importer.detectors.conftest import FAMILIES

Spoil = Callable[[Path], object]


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good ones, from which bad ones are made."""
    root = tmp_path_factory.mktemp("checkpoints")
    for name, write in FAMILIES.items():
        write(root / name)
    return root


def spoilt(kept: Path, tmp_path: Path, family: str, spoil: Spoil) -> CheckpointFolder:
    folder = shutil.copytree(kept / family, tmp_path / family)
    spoil(folder)
    return CheckpointFolder(folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_good_one_is_opened(kept: Path, family: str) -> None:
    checkpoint = opened_detector(CheckpointFolder(kept / family))

    assert checkpoint.pixels.side_px == checkpoints.SIDE_PX
    assert not checkpoint.model.training


@pytest.mark.parametrize(
    ("family", "tensor"),
    [
        ("gd", "bbox_embed__0__layers__0__weight"),
        ("owl", "class_head__dense0__bias"),
        ("sam", "vision_encoder__pos_embed"),
        ("sam2", "no_memory_embedding"),
    ],
)
def test_a_tensor_that_is_missing_is_named(kept: Path, tmp_path: Path, family: str, tensor: str) -> None:
    folder = spoilt(kept, tmp_path, family, lambda f: retensor(f, **{tensor: None}))

    with pytest.raises(Refused, match=rf"{tensor.replace('__', '.')} is missing"):
        opened_detector(folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tensor_that_has_no_place_is_named(kept: Path, tmp_path: Path, family: str) -> None:
    folder = spoilt(kept, tmp_path, family, lambda f: retensor(f, trojan__weight=torch.zeros(2)))

    with pytest.raises(Refused, match=r"trojan\.weight has no place in"):
        opened_detector(folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pickle_is_never_opened(kept: Path, tmp_path: Path, family: str) -> None:
    def spoil(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps({}))

    with pytest.raises(Refused, match=r"pickle.*safetensors\.torch\.save_file"):
        opened_detector(spoilt(kept, tmp_path, family, spoil))


@pytest.mark.parametrize(
    ("family", "spoil", "said"),
    [
        ("gd", lambda f: edit(f / "config.json", backbone_config__model_type="resnet"), "kind 'resnet'"),
        ("gd", lambda f: edit(f / "config.json", backbone_config=None), "backbone_config of the kind None"),
        ("gd", lambda f: edit(f / "config.json", text_config__model_type="roberta"), "kind 'roberta'"),
        ("gd", lambda f: edit(f / "config.json", d_model=10**9), "1 to 16384 are possible"),
        ("gd", lambda f: edit(f / "config.json", backbone_config__depths=[1] * 99), "depths = "),
        ("gd", lambda f: edit(f / "config.json", num_queries=21), "the configuration says"),
        ("gd", lambda f: edit(f / "config.json", auto_map={"AutoModel": "code.Model"}), "auto_map"),
        ("gd", lambda f: edit(f / "preprocessor_config.json", do_rescale=False), "do_rescale = false"),
        ("gd", lambda f: edit(f / "preprocessor_config.json", image_std=[0, 1, 1]), "image_std"),
        ("gd", lambda f: edit(f / "preprocessor_config.json", rescale_factor=255.0), "rescale_factor"),
        ("gd", lambda f: edit(f / "preprocessor_config.json", size={"shortest_edge": 10**6}), "1 to 2048"),
        ("owl", lambda f: edit(f / "preprocessor_config.json", size={"height": 32}), "image_size = 64"),
        (
            "owl",
            lambda f: edit(f / "preprocessor_config.json", size={"height": 64, "width": 32}),
            "not square",
        ),
        ("owl", lambda f: (f / "preprocessor_config.json").unlink(), r"has no preprocessor_config\.json"),
        ("sam", lambda f: edit(f / "preprocessor_config.json", size={"longest_edge": 32}), "image_size = 64"),
        ("sam", lambda f: edit(f / "config.json", vision_config__num_hidden_layers=3), "is missing"),
        (
            "sam2",
            lambda f: edit(f / "config.json", vision_config__backbone_config__model_type="timm_backbone"),
            "kind 'timm_backbone'",
        ),
        (
            "sam2",
            lambda f: edit(f / "config.json", vision_config__backbone_config__image_size=[10**7, 64]),
            "1 to 2048 are possible",
        ),
    ],
)
def test_files_that_do_not_agree_are_refused(
    kept: Path, tmp_path: Path, family: str, spoil: Spoil, said: str
) -> None:
    folder = spoilt(kept, tmp_path, family, spoil)

    with pytest.raises(Refused, match=said):
        opened_detector(folder)


def test_one_family_is_not_taken_for_another(kept: Path, tmp_path: Path) -> None:
    folder = spoilt(kept, tmp_path, "sam", lambda f: edit(f / "config.json", model_type="owlv2"))

    with pytest.raises(Refused, match=r"describes .* weights, the files have"):
        opened_detector(folder)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "tokenizer.json").unlink(), r"has no tokenizer\.json"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer that can be opened"),
        (lambda f: edit(f / "config.json", max_text_len=16), "too few tokens"),
    ],
)
def test_a_tokenizer_that_the_model_was_not_made_for_is_refused(
    kept: Path, tmp_path: Path, spoil: Spoil, said: str
) -> None:
    checkpoint = opened_detector(spoilt(kept, tmp_path, "gd", spoil))

    with pytest.raises(Refused, match=said):
        joint_tokenizer(checkpoint, checkpoint.model.config.max_text_len)


def test_separators_of_other_numbers_are_refused(kept: Path, tmp_path: Path) -> None:
    def spoil(folder: Path) -> None:
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        swapped = text.replace('".": 1012', '".": 1011').replace(
            '"[unused1011]": 1011', '"[unused1011]": 1012'
        )
        assert swapped != text
        (folder / "tokenizer.json").write_text(swapped, encoding="utf-8")

    checkpoint = opened_detector(spoilt(kept, tmp_path, "gd", spoil))

    with pytest.raises(Refused, match="GroundingDINO parts texts by"):
        joint_tokenizer(checkpoint, 96)


def test_variants_of_a_detector_are_refused(kept: Path, tmp_path: Path, pictures: Pictures) -> None:
    with pytest.raises(Refused, match="of encoders alone"):
        import_checkpoint(kept / "sam", tmp_path, name="sam", kinds=("int8",), pictures=pictures)


def test_what_is_there_already_is_not_written_over(kept: Path, tmp_path: Path, pictures: Pictures) -> None:
    (tmp_path / "store" / "sam-masks").mkdir(parents=True)

    with pytest.raises(Refused, match="is there already"):
        import_checkpoint(kept / "sam", tmp_path / "store", name="sam", kinds=(), pictures=pictures)


def test_an_unknown_family_hears_of_the_detectors_too(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = spoilt(kept, tmp_path, "sam", lambda f: edit(f / "config.json", model_type="yolo"))

    assert main(["import", str(folder.path), "--out", str(tmp_path / "store")]) == 2

    assert "grounding-dino (GroundingDINO), owlv2 (OWLv2), sam (SAM)" in capsys.readouterr().err
