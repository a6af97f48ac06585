"""The same picture has the same embedding with one thread or two, and whatever it is encoded with.

Real models on this processor; `tests/integration/triton/test_encoding.py` holds them against Triton's.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from models.text.tokenizer import Tokenizer
from services.encoding.settings import EncodingSettings
from services.runtime.model_execution.onnx import OnnxModels, OnnxSettings
from services.runtime.model_execution.store import ModelStore

SETTINGS = EncodingSettings()
STORE = ModelStore(SETTINGS.model_folder)
TOLERANCE = 1e-5


def tensors(name: str) -> Mapping[str, np.ndarray]:
    """Return five items for a model that sees, or reads."""
    if name == SETTINGS.image_model:
        side_px = STORE.open(name).description.inputs[0].shape[1]
        noise = np.random.default_rng(3).integers(0, 256, (5, side_px, side_px, 3), dtype=np.uint8)
        return {"crops": np.sort(noise, axis=1)}  # which is smoother than noise
    tokenizer = Tokenizer.from_file(STORE.open(name).external("tokenizer"))
    return tokenizer(["wren", "house wren", "a much longer name of a thing", "bus", "x"]).tensors()


def ran(name: str, given: Mapping[str, np.ndarray], *, threads: int = 1) -> Mapping[str, np.ndarray]:
    return OnnxModels([STORE.open(name)], settings=OnnxSettings(threads=threads)).run(name, given)


@pytest.mark.parametrize("name", [SETTINGS.image_model, SETTINGS.text_model])
def test_one_thread_or_two_give_the_same(name: str) -> None:
    given = tensors(name)
    one, two = ran(name, given), ran(name, given, threads=2)

    for output in STORE.open(name).spaces():
        np.testing.assert_allclose(one[output], two[output], atol=TOLERANCE)


@pytest.mark.parametrize("name", [SETTINGS.image_model, SETTINGS.text_model])
def test_a_batch_gives_each_of_its_items_what_it_gets_alone(name: str) -> None:
    given = tensors(name)
    models = OnnxModels([STORE.open(name)])
    together = models.run(name, given)

    for item in range(5):
        alone = models.run(name, {key: values[item : item + 1] for key, values in given.items()})
        for output in STORE.open(name).spaces():
            np.testing.assert_allclose(alone[output][0], together[output][item], atol=TOLERANCE)
