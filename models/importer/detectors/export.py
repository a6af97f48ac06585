"""Detectors to model folders, each compared with transformers before it counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from models.importer import tokens
from models.importer.description import described_file
from models.importer.detectors.checking import Squares, checked, difference, likeness
from models.importer.detectors.describing import (
    FREE,
    finding,
    head_of,
    images,
    texts_in_words,
    token_rows,
)
from models.importer.detectors.families import DetectorCheckpoint
from models.importer.detectors.network import (
    BoxMasks,
    JointTextBoxes,
    PaddedMaps,
    QueryTexts,
    SeparateTextBoxes,
    StretchedMaps,
    corners,
)
from models.importer.detectors.operators import OPERATORS
from models.importer.detectors.reading import caption, joint_tokenizer
from models.importer.export import Parity, embeddings, head, tensor, write
from models.importer.graphs import Folders, Written
from models.importer.running import Model

MAPS: Final = ("coarse", "fine", "finer")
"""What a masker sees of a picture; SAM sees the first alone."""
_INFINITE: Final = (-np.inf, np.inf)
Tensors = Mapping[str, np.ndarray]


def write_detector(
    checkpoint: DetectorCheckpoint, folders: Folders, *, name: str, paths: Sequence[Path]
) -> list[Written]:
    """Write the graphs of a checkpoint.

    Args:
        checkpoint: What they are made from.
        folders: Makes the folder of a name.
        name: What their names begin with.
        paths: Real pictures for the check.

    Raises:
        Refused: One is not what transformers computes.
    """
    writers = {"joint texts": _write_joint, "texts": _write_separate, "boxes": _write_masks}
    return writers[checkpoint.family.by](checkpoint, folders, name, paths)


def _write_joint(
    checkpoint: DetectorCheckpoint, folders: Folders, name: str, paths: Sequence[Path]
) -> list[Written]:
    model, most = checkpoint.model, int(checkpoint.model.config.max_text_len)
    content, reader = joint_tokenizer(checkpoint, most)
    folder = folders(f"{name}-boxes")
    (folder / tokens.FILE).write_text(content, encoding="utf-8")
    noise = Squares.noise(checkpoint)
    rows = {key: np.repeat(row, 2, axis=0) for key, row in caption(reader).items()}
    queries = int(model.config.num_queries)
    description = {
        **head_of(
            checkpoint,
            f"{name}-boxes",
            "detector",
            f"{texts_in_words(most)} All prompts of a text are read together.",
        ),
        "texts": {"max_tokens": most, "padding": "max_tokens", "pad_id": reader.pad_id},
        "finding": finding(checkpoint),
        "files": [described_file(folder / tokens.FILE, role="tokenizer")],
        "inputs": [images(checkpoint), *token_rows(most, model.config.text_config.vocab_size)],
        "outputs": [
            tensor("boxes", "FP32", (FREE, queries, 4), "batch, query, left top right bottom", (-1.0, 2.0)),
            tensor("logits", "FP32", (FREE, queries, most), "batch, query, token", _INFINITE),
        ],
    }
    given = {**noise.inputs(sized=False), **rows}
    write(JointTextBoxes(model, checkpoint.pixels).eval(), _torch(given), folder, description, OPERATORS)
    written = Model(folder)

    def apart(squares: Squares) -> float:
        row = caption(reader)
        found, wanted = [], []
        for place in range(len(squares.drawn)):
            own = written.everything({"images": squares.drawn[place : place + 1], **row})
            length = int(row["attention_mask"].sum())
            found.append({**own, "logits": own["logits"][..., :length]})
            with torch.inference_mode():
                theirs = model(
                    pixel_values=squares.normalised(checkpoint, emptied=False)[place : place + 1],
                    input_ids=torch.from_numpy(row["input_ids"][:, :length]),
                )
            wanted.append(
                {
                    "boxes": corners(theirs.pred_boxes).numpy(),
                    "logits": theirs.logits[..., :length].numpy(),
                }
            )
        return difference(_joined(found), _joined(wanted), ranked=True)

    item = {key: each[:1] for key, each in given.items()}
    return [Written(folder, _parity(checkpoint, apart, noise, paths, f"{name}-boxes"), item)]


def _write_separate(
    checkpoint: DetectorCheckpoint, folders: Folders, name: str, paths: Sequence[Path]
) -> list[Written]:
    model, noise = checkpoint.model, Squares.noise(checkpoint)
    reading = tokens.reading_of(checkpoint)
    rows = reading.tokenizer()(tokens.TEXTS).tensors()
    folder, texts = folders(f"{name}-boxes"), folders(f"{name}-text")
    (texts / tokens.FILE).write_text(reading.content, encoding="utf-8")
    tower, reads = SeparateTextBoxes(model, checkpoint.pixels).eval(), QueryTexts(model).eval()
    with torch.inference_mode():
        places, dim = tower(torch.from_numpy(noise.drawn))[0].shape[1:]
    description = {
        **head_of(checkpoint, f"{name}-boxes", "detector", f"Each prompt is read by itself, by {name}-text."),
        "finding": finding(checkpoint, partner=f"{name}-text"),
        "inputs": [images(checkpoint)],
        "outputs": [
            tensor("queries", "FP32", (FREE, places, dim), "batch, place, dim", _INFINITE),
            tensor("offsets", "FP32", (FREE, places), "batch, place", _INFINITE),
            tensor("boxes", "FP32", (FREE, places, 4), "batch, place, left top right bottom", (-1.0, 2.0)),
            tensor("objectness", "FP32", (FREE, places), "batch, place", _INFINITE),
        ],
    }
    write(tower, _torch(noise.inputs(sized=False)), folder, description)
    read = {
        **head(checkpoint, f"{name}-text", "text encoder"),
        "preprocessing": reading.words,
        "texts": {"max_tokens": reading.max_tokens, "padding": reading.padding, "pad_id": reading.pad_id},
        "files": [described_file(texts / tokens.FILE, role="tokenizer")],
        "inputs": token_rows(FREE, model.config.text_config.vocab_size),
        "outputs": [embeddings("embeddings", dim, f"{name}.names")],
    }
    write(reads, _torch({key: each[:3] for key, each in rows.items()}), texts, read)
    seeing, reader = Model(folder), Model(texts)

    def apart(squares: Squares) -> float:
        found, vectors = seeing.everything(squares.inputs(sized=False)), reader.run(rows)
        logits = found["queries"] @ vectors.T + found["offsets"][..., None]
        with torch.inference_mode():
            theirs = [
                model(pixel_values=each[None], **_torch(rows))
                for each in squares.normalised(checkpoint, emptied=False)
            ]
        wanted = {
            "logits": torch.cat([each.logits for each in theirs]).numpy(),
            "boxes": corners(torch.cat([each.pred_boxes for each in theirs])).numpy(),
            "objectness": torch.cat([each.objectness_logits for each in theirs]).numpy(),
        }
        return difference({**found, "logits": logits}, wanted)

    with torch.inference_mode():
        vectors = nn.functional.normalize(
            model.owlv2.get_text_features(**_torch(rows)).pooler_output, dim=-1
        ).numpy()
    texts_apart = checked(float(np.abs(reader.run(rows) - vectors).max()), name=f"{name}-text")
    seen = _parity(checkpoint, apart, noise, paths, f"{name}-boxes")
    one = {key: each[:1] for key, each in rows.items()}
    return [
        Written(folder, seen, {"images": noise.drawn[:1]}),
        Written(texts, Parity(texts_apart, texts_apart, len(tokens.TEXTS)), one),
    ]


def _write_masks(
    checkpoint: DetectorCheckpoint, folders: Folders, name: str, paths: Sequence[Path]
) -> list[Written]:
    model, noise = checkpoint.model, Squares.noise(checkpoint)
    sized = not checkpoint.family.stretched
    tower = (PaddedMaps if sized else StretchedMaps)(model, checkpoint.pixels).eval()
    given = noise.inputs(sized=sized)
    with torch.inference_mode():
        maps = dict(zip(MAPS, (each.numpy() for each in tower(*_torch(given).values())), strict=False))
    folder, masks = folders(f"{name}-image"), folders(f"{name}-masks")
    shapes = [
        tensor(key, "FP32", (FREE, *each.shape[1:]), "batch, channel, row, column", _INFINITE)
        for key, each in maps.items()
    ]
    sizes = [tensor("sizes", "INT64", (FREE, 2), "batch, rows and columns", (1, checkpoint.pixels.side_px))]
    description = {
        **head_of(checkpoint, f"{name}-image", "image encoder", f"Seen once; {name}-masks makes the masks."),
        "finding": finding(checkpoint, partner=f"{name}-masks"),
        "inputs": [images(checkpoint), *(sizes if sized else ())],
        "outputs": shapes,
    }
    write(tower, _torch(given), folder, description)
    boxes = _boxes(noise)
    decoder = BoxMasks(model).eval()
    asked = {"boxes": boxes, **maps}
    with torch.inference_mode():
        side = decoder(*_torch(asked).values())[0].shape[2:]
    described = {
        **head(checkpoint, f"{name}-masks", "mask decoder"),
        "preprocessing": f"Boxes in pixels of the square that {name}-image saw; one mask for each box.",
        "inputs": [
            tensor(
                "boxes",
                "FP32",
                (FREE, FREE, 4),
                "batch, box, left top right bottom",
                (0.0, float(checkpoint.pixels.side_px)),
            ),
            *shapes,
        ],
        "outputs": [
            tensor("masks", "FP32", (FREE, FREE, *side), "batch, box, row, column", _INFINITE),
            tensor("scores", "FP32", (FREE, FREE), "batch, box", (0.0, 1.0)),
        ],
    }
    write(decoder, _torch(asked), masks, described)
    seeing, drawing = Model(folder), Model(masks)

    def seen_apart(squares: Squares) -> float:
        pixels = squares.normalised(checkpoint, emptied=sized)
        with torch.inference_mode():
            theirs = model.get_image_embeddings(pixels)
        wanted = dict(zip(MAPS, [theirs] if sized else theirs[::-1], strict=False))
        return difference(seeing.everything(squares.inputs(sized=sized)), _numpy(wanted))

    def drawn_apart(squares: Squares) -> float:
        pixels, corners_px = squares.normalised(checkpoint, emptied=sized), _boxes(squares)
        found = drawing.everything({"boxes": corners_px, **seeing.everything(squares.inputs(sized=sized))})
        with torch.inference_mode():
            theirs = model(
                pixel_values=pixels, input_boxes=torch.from_numpy(corners_px), multimask_output=False
            )
        wanted = {"masks": theirs.pred_masks[:, :, 0], "scores": theirs.iou_scores[:, :, 0]}
        return difference(found, _numpy(wanted))

    one = {key: each[:1] for key, each in asked.items()}
    whole = _parity(checkpoint, seen_apart, noise, paths, f"{name}-image")
    parts = [
        checked(drawn_apart(each), name=f"{name}-masks") for each in (noise, Squares.real(checkpoint, paths))
    ]
    return [
        Written(folder, whole, {key: each[:1] for key, each in given.items()}),
        Written(masks, Parity(parts[0], parts[1], len(paths)), one),
    ]


def _parity(
    checkpoint: DetectorCheckpoint,
    apart: Callable[[Squares], float],
    noise: Squares,
    paths: Sequence[Path],
    name: str,
) -> Parity:
    random = checked(apart(noise), name=name)
    real = checked(apart(Squares.real(checkpoint, paths)), name=name)
    return Parity(random, real, len(paths), likeness(checkpoint, paths))


def _boxes(squares: Squares) -> np.ndarray:
    """Return three boxes in each square."""
    shares = np.array([[0.1, 0.2, 0.5, 0.9], [0.0, 0.0, 1.0, 1.0], [0.4, 0.3, 0.6, 0.5]])
    wide = np.stack([squares.sizes[:, 1], squares.sizes[:, 0]] * 2, axis=-1)[:, None]  # (n, 1, 4)
    return (shares * wide).astype(np.float32)


def _torch(arrays: Tensors) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(each) for key, each in arrays.items()}


def _numpy(tensors: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {key: each.numpy() for key, each in tensors.items()}


def _joined(parts: Sequence[Tensors]) -> dict[str, np.ndarray]:
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
