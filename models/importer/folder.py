"""A checkpoint's folder: nothing outside it is read, and nothing in it is run.

Source of the layout: the folders that Hugging Face's libraries write (config.json, *.safetensors, one index
for several of them, tokenizer.json, preprocessor_config.json).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open

from models.importer.refusal import Refused

CONFIG: Final = "config.json"
OPENCLIP_CONFIG: Final = "open_clip_config.json"
_WEIGHTS: Final = ("model.safetensors", "open_clip_model.safetensors")
_INDEX: Final = "model.safetensors.index.json"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PICKLES: Final = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
_PICKLE_STARTS: Final = (b"\x80", b"PK")
_CARD: Final = "README.md"
_LICENCE: Final = re.compile(r"\A---\n(?:.*\n)*?license:[ ]*([A-Za-z0-9_.+-]{1,40})[ ]*\n")
_MOST_CARD: Final = 65_536
_MOST_JSON_BYTES: Final = 64 << 20
_MOST_HEADER_BYTES: Final = 100 << 20
_UNPICKLE: Final = (
    "a pickle can run code when it is opened, so none is; have its publisher's safetensors, or convert it "
    "where you trust it: safetensors.torch.save_file(torch.load(FILE, weights_only=True), "
    "'model.safetensors')"
)


class CheckpointFolder:
    """The files of one checkpoint.

    Args:
        path: The folder.

    Raises:
        Refused: It is no folder.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix in _PICKLES and not path.is_dir():
            raise Refused(f"{path} is a pickle: {_UNPICKLE}")
        if not path.is_dir():
            raise Refused(f"{path} is no folder; give the one that has {CONFIG} and *.safetensors")
        self.path = path

    @property
    def name(self) -> str:
        """What the folder is called."""
        return self.path.resolve().name

    def has(self, name: str) -> bool:
        """Return whether there is something of this name."""
        return (self.path / name).is_file()

    def file(self, name: str) -> Path:
        """Return a file of the folder.

        Raises:
            Refused: It is not there, or it lies elsewhere.
        """
        if not _PLAIN.fullmatch(name):
            raise Refused(f"{self.path} names the file {name!r}, which is not one beside its {CONFIG}")
        path = self.path / name
        if not path.is_file():
            raise Refused(f"{self.path} has no {name}")
        if path.resolve().parent != self.path.resolve():
            raise Refused(f"{path} points out of its folder; copy the folder with its files: cp -rL")
        return path

    def json(self, name: str) -> Mapping[str, Any]:
        """Return what a file says. Raises Refused."""
        path = self.file(name)
        if path.stat().st_size > _MOST_JSON_BYTES:
            raise Refused(f"{path} has {path.stat().st_size} bytes, which is no description of a model")
        try:
            content = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise Refused(f"{path} is no JSON: {error}") from error
        if not isinstance(content, dict):
            raise Refused(f"{path} is no JSON object")
        return content

    def licence(self) -> str:
        """Return the licence that the folder's card states, or `not stated`."""
        if self.has(_CARD):
            with self.file(_CARD).open(encoding="utf-8", errors="replace") as file:
                found = _LICENCE.search(file.read(_MOST_CARD))
            if found:
                return found[1]
        return "not stated"

    def weights(self) -> tuple[Path, ...]:
        """Return the files with the weights. Raises Refused."""
        for name in _WEIGHTS:
            if self.has(name):
                return (self.file(name),)
        if self.has(_INDEX):
            return tuple(self.file(shard) for shard in sorted(set(self._placed().values())))
        pickles = sorted(path.name for path in self.path.iterdir() if path.suffix in _PICKLES)
        if pickles:
            raise Refused(f"{self.path} has its weights in {pickles[0]}: {_UNPICKLE}")
        raise Refused(f"{self.path} has no {_WEIGHTS[0]}, and no {_INDEX}")

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of every tensor, from the headers alone.

        Raises:
            Refused: A file is not safetensors, or the index says something else than the files.
        """
        shapes: dict[str, tuple[int, ...]] = {}
        placed: dict[str, str] = {}
        for path in self.weights():
            for name, shape in _shapes(path):
                if name in shapes:
                    raise Refused(f"{self.path} has the tensor {name} twice")
                shapes[name], placed[name] = shape, path.name
        if len(set(placed.values())) > 1 and placed != self._placed():
            odd = min(set(placed.items()) ^ set(self._placed().items()))[0]
            raise Refused(f"{self.path / _INDEX} and its files do not agree on the tensor {odd}")
        return shapes

    def _placed(self) -> Mapping[str, str]:
        placed = self.json(_INDEX).get("weight_map")
        if not isinstance(placed, dict) or not all(isinstance(shard, str) for shard in placed.values()):
            raise Refused(f"{self.path / _INDEX} has no weight_map")
        for shard in placed.values():
            if not shard.endswith(".safetensors"):
                raise Refused(f"{self.path / _INDEX} names {shard!r}: {_UNPICKLE}")
        return placed


def _shapes(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(_PICKLE_STARTS) and not _plausible(start, path):
        raise Refused(f"{path} is a pickle under another name: {_UNPICKLE}")
    if not _plausible(start, path):
        raise Refused(
            f"{path} is no safetensors file: its header would be longer than itself, or than any is"
        )
    try:
        with safe_open(path, framework="numpy") as opened:
            for name in opened.keys():  # noqa: SIM118  (it is no mapping)
                yield name, tuple(opened.get_slice(name).get_shape())
    except SafetensorError as error:
        raise Refused(f"{path} is no safetensors file: {error}") from error


def _plausible(start: bytes, path: Path) -> bool:
    length = int.from_bytes(start, "little")
    return len(start) == 8 and length <= min(_MOST_HEADER_BYTES, path.stat().st_size - 8)  # noqa: PLR2004
