from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.language.served.packing import packed
from services.kernel.errors import Corrupt, NotFound
from services.runtime.model_execution.folder import ModelFolder
from services.runtime.model_execution.weights import weights_of
from tests.fakes.gguf_files import write_language
from tests.fakes.onnx_graphs import write_model


def described(root: Path, weights: Path, *names: str) -> ModelFolder:
    """Return a model whose graph says that it is fed with some weights of a file beside it."""
    folder = write_model(root)
    data = weights.read_bytes()
    (folder / weights.name).write_bytes(data)
    text = (folder / "model.toml").read_text()
    listed = ", ".join(f'"{name}"' for name in names)
    text = text.replace("[[inputs]]", f"external_initializers = [{listed}]\n\n[[inputs]]", 1)
    text += f'\n[[files]]\nrole = "weights"\nfile = "{weights.name}"\nsize_bytes = {len(data)}\n'
    (folder / "model.toml").write_text(text + f'sha256 = "{hashlib.sha256(data).hexdigest()}"\n')
    return ModelFolder(folder)


def test_a_graph_with_all_inside_is_fed_with_nothing(tmp_path: Path) -> None:
    assert weights_of(ModelFolder(write_model(tmp_path))) == {}


def test_a_language_models_file_gives_what_its_graph_wants(tmp_path: Path) -> None:
    path = write_language(tmp_path / "small.gguf")
    names = ("blk.1.attn_q.codes", "token_embd.upper")
    found = weights_of(described(tmp_path / "store", path, *names))

    assert tuple(found) == names
    for name in names:
        np.testing.assert_array_equal(found[name], packed(path)[name])


def test_tensors_are_taken_as_they_are(tmp_path: Path) -> None:
    save_file({"one": np.arange(3.0), "other": np.zeros(1)}, tmp_path / "some.safetensors")
    found = weights_of(described(tmp_path / "store", tmp_path / "some.safetensors", "one"))

    assert {name: value.tolist() for name, value in found.items()} == {"one": [0, 1, 2]}


@pytest.mark.parametrize("name", ["some.safetensors", "some.gguf"])
@pytest.mark.parametrize("data", [b"", b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 40, b"\xff" * 64])
def test_a_damaged_file_is_corrupt_and_named(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)

    with pytest.raises(Corrupt, match=name):
        weights_of(described(tmp_path / "store", tmp_path / name, "one"))


def test_a_file_that_was_cut_off_is_corrupt(tmp_path: Path) -> None:
    path = write_language(tmp_path / "small.gguf")
    path.write_bytes(path.read_bytes()[:-4000])

    with pytest.raises(Corrupt, match="does not lie"):
        weights_of(described(tmp_path / "store", path, "token_embd.upper"))


def test_a_weight_that_is_missing_is_named(tmp_path: Path) -> None:
    path = write_language(tmp_path / "small.gguf")

    with pytest.raises(Corrupt, match=r"blk\.7\.attn_q\.codes"):
        weights_of(described(tmp_path / "store", path, "blk.7.attn_q.codes"))


def test_another_kind_of_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"\x80\x04")

    with pytest.raises(Corrupt, match="neither"):
        weights_of(described(tmp_path / "store", tmp_path / "weights.bin", "one"))


def test_a_model_that_names_no_file_has_no_weights_outside(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    text = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(
        text.replace("[[inputs]]", 'external_initializers = ["one"]\n\n[[inputs]]', 1)
    )

    with pytest.raises(NotFound, match="weights"):
        weights_of(ModelFolder(folder))
