"""Towers to model folders, each compared with transformers before it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import nn

from models.export import write_graph
from models.importer import tokens
from models.importer.description import MOST_BYTES, MOST_INSIDE_BYTES, described_file, write_model
from models.importer.families import Checkpoint
from models.importer.folder import CheckpointFolder
from models.importer.network import ImageTower, TextTower
from models.importer.pictures import crops, pixels
from models.importer.refusal import Refused
from models.importer.running import Model
from models.importer.tokens import Reading

TOLERANCE: Final = 1e-4
"""Largest difference of any number of an embedding."""
LEAST_COSINE: Final = 0.99
"""Between a picture prepared here and the same prepared by transformers; rounding alone costs less."""
_LEAST_OUTSIDE: Final = 4096
"""Smaller tensors stay in the graph."""
_FREE: Final = -1


@dataclass(frozen=True)
class Parity:
    """How far a tower is from transformers: largest differences, and the least cosine of whole pictures."""

    random: float
    real: float
    items: int
    whole: float | None = None

    @property
    def words(self) -> str:
        """For people."""
        text = f"at most {self.random:.1e} from transformers on random inputs, {self.real:.1e} on real ones"
        text = f"{text} (n = {self.items})"
        if self.whole is None:
            return text
        return f"{text}; pictures prepared here and there are {self.whole:.5f} alike or more"


@runtime_checkable
class Described(Protocol):
    """What a description says of where a model came from."""

    @property
    def folder(self) -> CheckpointFolder:
        """Where it lies."""
        ...

    @property
    def title(self) -> str:
        """The family's name."""
        ...


def write_vision(checkpoint: Checkpoint, folder: Path, *, name: str, paths: Sequence[Path]) -> Parity:
    """Write the tower for pictures.

    Args:
        checkpoint: What it is made from.
        folder: An empty folder.
        name: Of the model family: spaces begin with it.
        paths: Real pictures for the check.

    Raises:
        Refused: It is not what transformers computes.
    """
    towers, side = checkpoint.towers(), checkpoint.preprocessing.size_px
    tower = ImageTower(
        towers["vision"],
        towers["vision_projection"],
        checkpoint.preprocessing,
        named=checkpoint.family.reads,
    ).eval()
    noise = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    with torch.inference_mode():
        dim = tower(torch.from_numpy(noise))[0].shape[1]
    spaces = {"embeddings": name, **({"names": f"{name}.names"} if tower.named else {})}
    how = checkpoint.preprocessing
    description = {
        **head(checkpoint, f"{name}-vision", "image encoder"),
        "preprocessing": how.words,
        "crops": {"fit": how.fit, "resize_px": how.resize_px, "resample": how.resample},
        "inputs": [tensor("crops", "UINT8", (_FREE, side, side, 3), "batch, row, column, RGB", (0, 255))],
        "outputs": [embeddings(output, dim, space) for output, space in spaces.items()],
    }
    write(tower, {"crops": torch.from_numpy(noise)}, folder, description)
    return _vision_parity(checkpoint, Model(folder), noise, paths)


def write_text(checkpoint: Checkpoint, folder: Path, *, name: str, texts: Sequence[str]) -> Parity:
    """Write the tower for texts, with its tokenizer; see `write_vision`."""
    reading = tokens.reading_of(checkpoint)
    towers = checkpoint.towers()
    masked = not checkpoint.family.whole_rows
    tower = TextTower(towers["text"], towers["text_projection"], masked=masked).eval()
    given = reading.tokenizer()(texts).tensors()
    example = {key: torch.from_numpy(array[:3]) for key, array in given.items()}
    with torch.inference_mode():
        dim = tower(*example.values())[0].shape[1]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / tokens.FILE).write_text(reading.content, encoding="utf-8")
    length = reading.max_tokens if reading.padding == "max_tokens" else _FREE
    highest = checkpoint.model.config.text_config.vocab_size - 1
    description = {
        **head(checkpoint, f"{name}-text", "text encoder"),
        "preprocessing": reading.words,
        "name_templates": checkpoint.family.name_templates,
        "texts": {"max_tokens": reading.max_tokens, "padding": reading.padding, "pad_id": reading.pad_id},
        "files": [described_file(folder / tokens.FILE, role="tokenizer")],
        "inputs": [
            tensor("input_ids", "INT64", (_FREE, length), "batch, token", (0, highest)),
            tensor("attention_mask", "INT64", (_FREE, length), "batch, token", (0, 1)),
        ],
        "outputs": [embeddings("embeddings", dim, f"{name}.names")],
    }
    write(tower, example, folder, description)
    return _text_parity(checkpoint, Model(folder), reading, given)


def write(
    tower: nn.Module,
    example: Mapping[str, torch.Tensor],
    folder: Path,
    description: Mapping[str, Any],
    operators: Mapping[Callable[..., Any], Callable[..., Any]] | None = None,
) -> None:
    """Write graph and description; large weights go into a file beside the graph.

    Args:
        tower: In evaluation mode.
        example: Of its inputs, by name.
        folder: An empty folder.
        description: Without digests; the names of free axes are those of the inputs' layouts.
        operators: For those that the exporter does not know, how they are written.

    Raises:
        Refused: It is too large.
    """
    state = {key: tensor.numpy() for key, tensor in tower.state_dict().items()}
    size = sum(array.nbytes for array in state.values())
    if size > MOST_BYTES:
        raise Refused(
            f"the {description['title']} has {size:,} bytes of weights; {MOST_BYTES:,} are possible"
        )
    outside = {
        key: array
        for key, array in state.items()
        if size > MOST_INSIDE_BYTES and array.size >= _LEAST_OUTSIDE and array.dtype == np.float32
    }
    left_out = write_graph(
        tower,
        example,
        folder=folder,
        outputs=[output["name"] for output in description["outputs"]],
        dynamic_axes={spec["name"]: _free_axes(spec) for spec in description["inputs"]},
        external=list(outside),
        operators=operators,
    )
    write_model(folder, description, None, {key: outside[key] for key in left_out})


def _free_axes(spec: Mapping[str, Any]) -> tuple[str, ...]:
    names = spec["layout"].split(", ")
    return tuple(names[axis] for axis, size in enumerate(spec["shape"]) if size == _FREE)


def _vision_parity(checkpoint: Checkpoint, model: Model, noise: np.ndarray, paths: Sequence[Path]) -> Parity:
    def expected(images: Iterable[np.ndarray], **how: bool) -> np.ndarray:
        given = checkpoint.processor([Image.fromarray(each) for each in images], return_tensors="pt", **how)
        return checkpoint.features("vision", {"pixel_values": given["pixel_values"]}).numpy()

    real = crops(list(paths), checkpoint.preprocessing.settings)
    as_they_are = {"do_resize": False, "do_center_crop": False}
    differences = [
        _difference(model, {"crops": images}, expected(images, **as_they_are)) for images in (noise, real)
    ]
    whole = expected([pixels(path) for path in paths])
    least = float((model.run({"crops": real}) * whole).sum(axis=1).min())
    if not least >= LEAST_COSINE:
        raise Refused(
            f"pictures prepared here and by transformers are {least:.4f} alike, less than {LEAST_COSINE}"
        )
    return Parity(differences[0], differences[1], len(paths), least)


def _text_parity(
    checkpoint: Checkpoint, model: Model, reading: Reading, given: Mapping[str, np.ndarray]
) -> Parity:
    def expected(rows: Mapping[str, np.ndarray]) -> np.ndarray:
        wanted = rows if not checkpoint.family.whole_rows else {"input_ids": rows["input_ids"]}
        return checkpoint.features(
            "text", {key: torch.from_numpy(each) for key, each in wanted.items()}
        ).numpy()

    highest = checkpoint.model.config.text_config.vocab_size
    shape = (3, reading.max_tokens)
    drawn = np.random.default_rng(0).integers(0, highest, shape, dtype=np.int64)
    noise = {"input_ids": drawn, "attention_mask": np.ones(shape, dtype=np.int64)}
    random, real = (_difference(model, rows, expected(rows)) for rows in (noise, given))
    return Parity(random, real, len(given["input_ids"]))


def _difference(model: Model, inputs: Mapping[str, np.ndarray], expected: np.ndarray) -> float:
    """Return the largest difference. Raises Refused if it is too large, or no number."""
    difference = float(np.abs(model.run(inputs) - expected).max())
    if not difference <= TOLERANCE:
        raise Refused(
            f"{model.description['name']} is {difference:.1e} from transformers, more than {TOLERANCE}: "
            "nothing was written"
        )
    return difference


def head(checkpoint: Described, name: str, what: str) -> dict[str, Any]:
    """Return what a description begins with."""
    return {
        "format": 1,
        "name": name,
        "version": "1",
        "title": f"{checkpoint.title} {what} from {checkpoint.folder.name}",
        "licence": checkpoint.folder.licence(),
        "source": f"{checkpoint.title} checkpoint {checkpoint.folder.name}, imported by models/importer",
    }


def tensor(
    name: str, dtype: str, shape: tuple[int, ...], layout: str, spread: tuple[int, int] | tuple[float, float]
) -> dict[str, Any]:
    """Return what a description says of an input or output; a size of -1 is any."""
    return {"name": name, "dtype": dtype, "shape": shape, "layout": layout, "range": spread}


def embeddings(name: str, dim: int, space: str) -> dict[str, Any]:
    """Return what a description says of unit-norm vectors."""
    return {**tensor(name, "FP32", (_FREE, dim), "batch, dim", (-1.0, 1.0)), "space": space}
