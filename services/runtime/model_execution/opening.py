"""Models of the store, opened and run: in this process, or on Triton."""

from __future__ import annotations

from dataclasses import dataclass

from services.runtime.metrics import ModelMetrics
from services.runtime.model_execution.folder import ModelFolder
from services.runtime.model_execution.onnx import OnnxModels
from services.runtime.model_execution.ports import ModelExecution
from services.runtime.model_execution.settings import ModelSettings
from services.runtime.model_execution.store import ModelStore
from services.runtime.model_execution.triton import TritonModels, TritonSettings


@dataclass(frozen=True)
class Wanted:
    """Which models a service asks.

    Attributes:
        names: `NAME` or `NAME/VERSION`.
        exact: Those that must be the ones of the model folder wherever they run: their tokenizers and
            descriptions are read there.
    """

    names: frozenset[str] = frozenset()
    exact: frozenset[str] = frozenset()

    def __or__(self, other: Wanted) -> Wanted:
        """Return what both want."""
        return Wanted(self.names | other.names, self.exact | other.exact)


class OpenedModels:
    """Opens each model once: its files are read to the end to be sure of them."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._folders: dict[str, ModelFolder] = {}

    def __call__(self, name: str) -> ModelFolder:
        """Return `NAME` or `NAME/VERSION`. Raises NotFound, Corrupt, Unsupported."""
        if name not in self._folders:
            self._folders[name] = self._store.open(*name.split("/", 1))
        return self._folders[name]

    def __contains__(self, name: str) -> bool:
        """Whether there is such a model at all."""
        return name.partition("/")[0] in self._store.names()


def run_models(
    settings: ModelSettings, opened: OpenedModels, wanted: Wanted, metrics: ModelMetrics
) -> ModelExecution:
    """Return what runs the models.

    In this process they are loaded and run once. On Triton they need not be there yet; until they are,
    whoever asks hears Unavailable.

    Raises:
        NotFound: A model, or a package with its weights, is not there; the message says how to get it.
        Corrupt: A file is not the one that its model describes.
    """
    if settings.triton_url:
        triton = TritonSettings(
            settings.triton_url, timeout_s=settings.triton_timeout_s, ca_file=settings.triton_ca_file
        )
        expected = {name: opened(name).identity for name in wanted.exact}
        return TritonModels(triton, wanted.names, expected=expected, metrics=metrics)
    folders = {name: opened(name) for name in sorted(wanted.names)}
    models = OnnxModels(folders.values(), names=folders.keys(), metrics=metrics)
    models.warm_up()
    return models
