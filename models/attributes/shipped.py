"""The models that ship, opened to choose: fovea-global sees, fovea-projector tells, fovea-ranker chooses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32

from models.attributes.choosing import ChoosingModel
from models.evaluation.encoders import STORE, Model
from models.language.tokenizer import LanguageTokenizer
from models.vision.images import ImageLimits, decode
from models.vision.preparation import prepare

_LIMITS: Final = ImageLimits(max_bytes=20 << 20, max_pixels=50_000_000, max_side_px=16_384)


def opened(store: Path = STORE) -> ChoosingModel:
    """Return the model of a store. Raises NoSuchModel if a part of it is not there."""
    ranker = Model("fovea-ranker", store)
    told = ranker.table("ranking")
    eyes, projector = Model(str(told["image_model"]), store), Model(str(told["projector"]), store)

    def look(picture: bytes) -> Float32[np.ndarray, "token dim"]:
        if not picture:
            raise ValueError("this model looks at a picture, and there is none")
        crop = prepare(decode(picture, limits=_LIMITS))
        seen: Mapping[str, np.ndarray] = eyes.run({"crops": crop[np.newaxis]})
        tokens: Float32[np.ndarray, "token dim"] = projector.run(
            {name: seen[name] for name in ("embeddings", "names")}
        )["tokens"][0]
        return tokens

    tokenizer = LanguageTokenizer.from_file(ranker.files["tokenizer"])
    digest = f"{ranker.digest[:12]}.{projector.digest[:12]}"
    return ChoosingModel(f"fovea-ranker@{digest}", ranker.run, tokenizer, look)
