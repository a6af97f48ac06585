"""A Triton model repository, made from the model store.

<name>/config.pbtxt
<name>/<version>/model.onnx                the graph
<name>/<version>/weights.safetensors       where the graph has its weights outside
<name>/<version>/model.py                  for the Python backend alone
<name>/<version>/identity                  which model of the store this is; written last
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from safetensors.numpy import save_file

from infra.triton.config import Serving, Versions, config_of
from infra.triton.outside import pointed_at
from models.weights import SAFETENSORS
from services.kernel.errors import Conflict, Unsupported
from services.runtime.model_execution.folder import ModelFolder
from services.runtime.model_execution.store import ModelStore
from services.runtime.model_execution.weights import weights_of

_MODEL_PY: Final = Path(__file__).with_name("model.py")
_WEIGHTS: Final = "weights.safetensors"


def render(store: ModelStore, target: Path, serving: Serving | None = None) -> None:
    """Write every model of the store; versions that are there already are left as they are.

    Raises:
        Conflict: A version is there already and is another model; Triton would not see the difference.
        Unsupported: A version is not a whole number from 1, which is what Triton takes.
    """
    serving = serving or Serving()
    for name in store.names():
        versions = [store.open(name, version) for version in store.versions(name)[-serving.versions :]]
        render_model(versions, target / name, serving)


def render_model(
    versions: Sequence[ModelFolder], target: Path, serving: Serving, *, asked: ModelFolder | None = None
) -> None:
    """Write some versions of one model.

    Args:
        versions: Those to serve, oldest first.
        target: The folder of the model.
        serving: How it is served.
        asked: The version that callers get; the newest unless it is given.
    """
    for folder in versions:
        _render_version(folder, target / number(folder), serving)
    identities = {number(folder): folder.identity for folder in versions}
    told = Versions(identities, number(asked or versions[-1]))
    _write(target / "config.pbtxt", config_of(versions[-1], told, serving).encode())


def number(folder: ModelFolder) -> str:
    """Return the version as Triton takes it. Raises Unsupported."""
    version = folder.description.version
    if not version.isdecimal() or str(int(version)) != version or version == "0":
        raise Unsupported(f"Triton takes whole numbers as versions; {folder.name} has {version}")
    return version


def _render_version(folder: ModelFolder, target: Path, serving: Serving) -> None:
    mark = target / "identity"
    if mark.exists() and mark.read_text() != folder.identity:
        raise Conflict(f"{target} is {mark.read_text()} already; give {folder.identity} another version")
    target.mkdir(parents=True, exist_ok=True)
    if not mark.exists():
        _write(target / "model.onnx", _graph(folder, target))
    if serving.backend == "python":
        _write(target / "model.py", _MODEL_PY.read_bytes())
    _write(mark, folder.identity.encode())


def _graph(folder: ModelFolder, target: Path) -> bytes:
    """Return the graph, with its outside weights written beside it as the graph wants them."""
    graph, names = folder.read_graph(), folder.description.graph.external_initializers
    if not names:
        return graph
    given, weights = folder.external("weights"), target / _WEIGHTS
    if given.suffix == SAFETENSORS:
        shutil.copyfile(given, weights)
    else:
        save_file(dict(weights_of(folder)), weights)
    return pointed_at(graph, names, weights, location=_WEIGHTS)


def _write(path: Path, data: bytes) -> None:
    """Write the file in one step, unless it has these bytes: Triton reloads what changed."""
    if path.exists() and path.read_bytes() == data:
        return
    aside = path.with_name(f".{path.name}.new")
    aside.write_bytes(data)
    aside.replace(path)
