"""Files that lie, lead elsewhere or would run something are not opened."""

from __future__ import annotations

import json
import os
import pickle
import struct
from pathlib import Path

import pytest

from models.importer.families import opened
from models.importer.folder import CheckpointFolder
from models.importer.refusal import Refused
from tests.models.importer import checkpoints
from tests.models.importer.checkpoints import edit
from tests.models.importer.spoiling import Spoil, spoilt


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.path),))


def write_header(folder: Path, header: bytes, *, length: int | None = None, data: bytes = b"") -> None:
    size = len(header) if length is None else length
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", size) + header + data)


def a_tensor(*, start: int, end: int, shape: list[int]) -> bytes:
    return json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}}).encode()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: write_header(f, b"{}", length=2**60), "header would be longer"),
        (lambda f: write_header(f, b"{", length=1), "no safetensors"),
        (lambda f: write_header(f, b'{"a": 1}'), "no safetensors"),
        (lambda f: write_header(f, a_tensor(start=0, end=8, shape=[2])), "no safetensors"),
        (lambda f: write_header(f, a_tensor(start=0, end=8, shape=[3]), data=bytes(8)), "no safetensors"),
        (lambda f: write_header(f, a_tensor(start=-8, end=0, shape=[2]), data=bytes(8)), "no safetensors"),
        (
            lambda f: write_header(f, a_tensor(start=0, end=4, shape=[2**62, 4]), data=bytes(4)),
            "no safetensors",
        ),
        (lambda f: write_header(f, a_tensor(start=8, end=16, shape=[2]), data=bytes(16)), "no safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes(b""), "no safetensors"),
        (
            lambda f: (f / "model.safetensors").write_bytes(b"PK\x03\x04" + bytes(60)),
            "pickle under another name",
        ),
    ],
)
def test_a_file_of_weights_that_lies_about_itself_is_refused(
    kept: Path, tmp_path: Path, spoil: Spoil, said: str
) -> None:
    folder = spoilt(kept, tmp_path, "dinov2", spoil)

    with pytest.raises(Refused, match=said):
        opened(CheckpointFolder(folder))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt", "model.safetensors"])
def test_a_pickle_is_never_opened_whatever_it_is_called(kept: Path, tmp_path: Path, name: str) -> None:
    bomb = pickle.dumps(Bomb(tmp_path / "exploded"))
    folder = spoilt(kept, tmp_path, "dinov2", lambda f: (f / "model.safetensors").unlink())
    (folder / name).write_bytes(bomb)

    with pytest.raises(Refused, match=r"pickle.*safetensors\.torch\.save_file"):
        opened(CheckpointFolder(folder))
    if name != "model.safetensors":
        with pytest.raises(Refused, match="is a pickle"):
            CheckpointFolder(folder / name)

    assert not (tmp_path / "exploded").exists()


def test_a_pickle_beside_safetensors_is_left_alone(kept: Path, tmp_path: Path) -> None:
    bomb = pickle.dumps(Bomb(tmp_path / "exploded"))
    folder = spoilt(kept, tmp_path, "dinov2", lambda f: (f / "pytorch_model.bin").write_bytes(bomb))

    assert opened(CheckpointFolder(folder)).title == "DINOv2"
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("shard", "said"),
    [
        ("../secret.safetensors", "not one beside"),
        ("/etc/passwd.safetensors", "not one beside"),
        ("sub/model.safetensors", "not one beside"),
        ("model.bin", "pickle"),
        ("absent.safetensors", "has no absent"),
    ],
)
def test_an_index_that_leads_elsewhere_is_refused(kept: Path, tmp_path: Path, shard: str, said: str) -> None:
    folder = spoilt(kept, tmp_path, "dinov2", checkpoints.shard)
    (tmp_path / "secret.safetensors").write_bytes(b"secret")
    edit(folder / "model.safetensors.index.json", weight_map={"layernorm.weight": shard})

    with pytest.raises(Refused, match=said):
        opened(CheckpointFolder(folder))


def test_an_index_that_says_something_else_than_the_files_is_refused(kept: Path, tmp_path: Path) -> None:
    folder = spoilt(kept, tmp_path, "dinov2", checkpoints.shard)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    moved = next(iter(index["weight_map"]))
    first, second = sorted(set(index["weight_map"].values()))
    index["weight_map"][moved] = second if index["weight_map"][moved] == first else first
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    with pytest.raises(Refused, match=f"do not agree on the tensor {moved}"):
        opened(CheckpointFolder(folder))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_a_link_out_of_the_folder_is_not_followed(kept: Path, tmp_path: Path, name: str) -> None:
    folder = spoilt(kept, tmp_path, "dinov2", lambda f: (f / name).unlink())
    (folder / name).symlink_to(kept / "dinov2" / name)

    with pytest.raises(Refused, match=r"points out of its folder; copy .* cp -rL"):
        opened(CheckpointFolder(folder))
