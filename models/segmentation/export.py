"""Makes `models/store/fovea-detector` and `models/store/fovea-detector-text` of a trained detector."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from jaxtyping import Float, UInt8
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from models.export import GRAPH, HALVED, STORE, compare, halve, round_as_halved, stamp, write_graph
from models.segmentation.alignment.network import Scores
from models.segmentation.guarding.export import guard
from models.segmentation.network import Detector
from models.segmentation.proposals.network import Proposals
from models.vision.efficientnet.export import fold_norms

DETECTOR: Final = "fovea-detector"
SCORER: Final = "fovea-detector-text"
OUTPUTS: Final = (
    "queries",
    "offsets",
    "boxes",
    "objectness",
    "mask_queries",
    "mask_features",
    "texts",
    "relations",
)
TOLERANCE: Final = 1e-4
_IN_GRAPH = "detector."
_EXAMPLES = 2
_SENTENCES = 3
_ROUNDING = 1e-5
"""Far more than graph and torch differ by."""
_TRIES = 4


class ImagePass(nn.Module):
    """The first graph: all that is found of a picture, before anybody asks for a name.

    Args:
        detector: In evaluation mode.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(
        self, images: UInt8[Tensor, "n side side 3"], sentences: Float[Tensor, "n s texts"]
    ) -> tuple[Tensor, ...]:
        """Return `OUTPUTS`; boxes end where the square does."""
        found = self.detector(images, sentences)
        last = found.layers[-1]
        return (
            last.queries,
            last.offsets,
            last.boxes.clamp(0, 1),
            found.objectness,
            found.mask_queries,
            found.mask_features,
            functional.normalize(found.texts, dim=-1),  # which `Scores` wants
            found.relations,
        )


def export(detector: Detector, store: Path = STORE) -> None:
    """Write both graphs, compare them with torch, and stamp the descriptions beside them.

    Args:
        detector: In any mode; it is left as it is.
        store: Where models are. Both descriptions are there already.

    Raises:
        AssertionError: If a graph differs from the module by more than 1e-4 of the largest value.
    """
    write(detector, store)
    for name in (DETECTOR, SCORER):
        stamp(store / name / "1")


def write(detector: Detector, store: Path) -> None:
    """Write both graphs, with large weights in 16 bits, and compare them with torch."""
    halved = deepcopy(detector).eval()
    fold_norms(halved.trunk)
    round_as_halved(halved)
    settings = detector.settings
    rng = np.random.default_rng(0)
    sentences = rng.standard_normal((_EXAMPLES, _SENTENCES, settings.texts), dtype=np.float32)
    sentences[0, 1:] = 0  # the first picture has one sentence
    queries = rng.standard_normal((_EXAMPLES, settings.queries, settings.texts), dtype=np.float32)
    texts = functional.normalize(torch.from_numpy(sentences), dim=-1).numpy()
    _graph(
        ImagePass(halved).eval(),
        {"images": _pictures(halved, rng, sentences), "sentences": sentences},
        store / DETECTOR / "1",
        OUTPUTS,
        {"images": ("n",), "sentences": ("n", "s")},
        finish=lambda path: guard(path, "relations", by="sentences", like="offsets"),
    )
    _graph(
        Scores().eval(),
        {"queries": queries, "offsets": queries[..., 0], "texts": texts},
        store / SCORER / "1",
        ("logits",),
        {"queries": ("n",), "offsets": ("n",), "texts": ("n", "t")},
    )


def restore(detector: Detector, store: Path = STORE) -> None:
    """Give a detector the weights of a graph that `write` wrote.

    The trunk stays, for its norms are folded into the graph; so do the heads of all layers but the last,
    which are in no graph: only training asks them.

    Args:
        detector: As large as the one that was written.
        store: Where models are.

    Raises:
        FileNotFoundError: If there is no graph.
        ValueError: If a weight is not in the graph, or has another shape there.
    """
    path = store / DETECTOR / "1" / GRAPH
    kept = {
        tensor.name.removeprefix(_IN_GRAPH).removesuffix(HALVED): numpy_helper.to_array(tensor)
        for tensor in onnx.load_model(path).graph.initializer
    }
    left = ("trunk.", *(f"alignments.{number}." for number in range(len(detector.alignments) - 1)))
    with torch.no_grad():
        for name, weight in detector.state_dict().items():
            if name.startswith(left) or name.endswith("num_batches_tracked"):
                continue
            if name not in kept or kept[name].shape != tuple(weight.shape):
                raise ValueError(f"{path} has no {name} of the shape {tuple(weight.shape)}")
            weight.copy_(torch.from_numpy(kept[name].astype(np.float32)))


def _graph(  # noqa: PLR0913  (a graph is its inputs, outputs and axes)
    module: nn.Module,
    inputs: dict[str, np.ndarray],
    folder: Path,
    outputs: tuple[str, ...],
    axes: dict[str, tuple[str, ...]],
    *,
    finish: Callable[[Path], None] = lambda _: None,
) -> None:
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    write_graph(
        module,
        tensors,
        folder=folder,
        outputs=outputs,
        dynamic_axes=axes,
        optimize=False,  # what is stored in 16 bits shall be what was rounded in torch
    )
    halve(folder / GRAPH)
    finish(folder / GRAPH)
    with torch.inference_mode():
        results = module(*tensors.values())
    expected = [result.numpy() for result in (results if isinstance(results, tuple) else (results,))]
    largest = max(float(np.abs(each).max()) for each in expected)
    compare(folder, inputs, expected, tolerance=TOLERANCE * max(1.0, largest))


def _pictures(detector: Detector, rng: np.random.Generator, sentences: np.ndarray) -> np.ndarray:
    """Return pictures in which no two proposals are so alike that rounding decides between them."""
    found: list[np.ndarray] = []
    while len(found) < len(sentences):
        picture = _picture(rng, detector.settings.side_px)
        if _clear(detector, picture, sentences[len(found)]):
            found.append(picture)
    return np.stack(found)


def _clear(detector: Detector, picture: np.ndarray, sentences: np.ndarray) -> bool:
    """Tell whether the same queries are chosen if all that is proposed differs a little."""
    with torch.inference_mode():
        maps = detector.read(torch.from_numpy(picture)[None])
        proposals = detector.propose(maps, torch.from_numpy(sentences)[None])
        chosen = detector.proposer.choose(proposals)
        generator = torch.Generator().manual_seed(0)
        for _ in range(_TRIES):
            logits, boxes = (
                each + _ROUNDING * torch.randn(each.shape, generator=generator)
                for each in (proposals.logits, proposals.boxes)
            )
            if not torch.equal(detector.proposer.choose(Proposals(proposals.anchors, boxes, logits)), chosen):
                return False
    return True


def _picture(rng: np.random.Generator, side_px: int) -> np.ndarray:
    """Return rectangles, whose proposals are less alike than those of noise."""
    picture = np.full((side_px, side_px, 3), 127, np.uint8)
    for left, top, right, bottom in rng.integers(0, side_px, (20, 4)).tolist():
        colour = rng.integers(0, 256, 3)
        picture[min(top, bottom) : max(top, bottom), min(left, right) : max(left, right)] = colour
    return picture
