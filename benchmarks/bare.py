"""The opponent: decode, prepare, run the same models, in a loop and nothing around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from jaxtyping import Float32

from models.vision.images import ImageLimits, decode
from models.vision.preparation import prepare
from services.kernel.limits import LIMITS

STORE = Path(__file__).parents[1] / "models" / "store"
_LIMITS = ImageLimits(LIMITS.image_bytes, LIMITS.image_pixels, LIMITS.image_side_px)


class BareLoop:
    """Encodes pictures in the caller's thread, with the threads that the services give a model: one."""

    def __init__(self) -> None:
        self._encoder = _session("efficientnet-lite0")
        self._bridge = _session("conse-imagenet-minilm")

    def encode(self, data: bytes) -> tuple[Float32[np.ndarray, "1 dim"], Float32[np.ndarray, "1 name_dim"]]:
        """Return what one picture looks like, and where names for it lie."""
        crops = prepare(decode(data, limits=_LIMITS))[None]  # (1, side, side, 3)
        visual, logits = self._encoder.run(["embeddings", "logits"], {"crops": crops})
        (named,) = self._bridge.run(["embeddings"], {"logits": logits})
        return visual, named


def _session(name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = STORE / name / "1" / "model.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
