"""The opponent: decode, prepare, run the same models, in a loop and nothing around it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from jaxtyping import Float32

from models.vision.images import ImageLimits, decode
from models.vision.preparation import DEFAULTS, prepare
from services.encoding.domain import least_px
from services.encoding.settings import EncodingSettings
from services.kernel.limits import LIMITS

STORE = Path(__file__).parents[1] / "models" / "store"
_LIMITS = ImageLimits(LIMITS.image_bytes, LIMITS.image_pixels, LIMITS.image_side_px)


class BareLoop:
    """Encodes pictures in the caller's thread, with the threads that the services give a model: one."""

    def __init__(self) -> None:
        settings = EncodingSettings()
        self._encoder = session(settings.image_model)
        self._bridge = session(settings.bridge_model) if settings.bridge_model else None

    def encode(self, data: bytes) -> tuple[Float32[np.ndarray, "1 dim"], Float32[np.ndarray, "1 name_dim"]]:
        """Return what one picture looks like, and where names for it lie."""
        return self.encode_all([data])

    def encode_all(
        self, pictures: Sequence[bytes]
    ) -> tuple[Float32[np.ndarray, "n dim"], Float32[np.ndarray, "n name_dim"]]:
        """Return the same of a few pictures, in one forward pass."""
        pixels = (decode(data, limits=_LIMITS, least_px=least_px(DEFAULTS)) for data in pictures)
        crops = np.stack([prepare(each) for each in pixels])  # (n, side, side, 3)
        if self._bridge is None:
            visual, named = self._encoder.run(["embeddings", "names"], {"crops": crops})
            return visual, named
        visual, logits = self._encoder.run(["embeddings", "logits"], {"crops": crops})
        (named,) = self._bridge.run(["embeddings"], {"logits": logits})
        return visual, named


def session(name: str) -> onnxruntime.InferenceSession:
    """Return a model of the store, opened as the services open it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = STORE / name / "1" / "model.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
