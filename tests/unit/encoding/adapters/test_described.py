"""What a model's description tells the service."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from models.vision.preparation import DEFAULTS, PreparationSettings
from services.kernel.errors import Unsupported
from services.runtime.model_execution.crops import sight
from services.runtime.model_execution.folder import Description, Graph, TensorSpec
from services.runtime.model_execution.tables import Crops


def spec(name: str, shape: Sequence[int], *, space: str = "", dtype: str = "FP32") -> TensorSpec:
    fields = {"name": name, "dtype": dtype, "shape": shape, "layout": "", "range": (0, 1), "space": space}
    return TensorSpec.model_validate(fields)


def described(*outputs: TensorSpec, side_px: int = 224, crops: Crops | None = None) -> Description:
    return Description(
        format=1,
        name="eye",
        version="1",
        title="",
        licence="",
        source="",
        preprocessing="",
        graph=Graph(file="model.onnx", sha256="0" * 64),
        inputs=(spec("crops", (-1, side_px, side_px, 3), dtype="UINT8"),),
        outputs=outputs,
        crops=crops,
    )


LOOKS = spec("embeddings", (-1, 8), space="visual")
NAMES = spec("names", (-1, 8), space="name")
LOGITS = spec("logits", (-1, 8))


def test_every_row_of_floats_that_names_a_space_is_served_in_it() -> None:
    patches = spec("patches", (-1, 4, 4, 8), space="patches")
    ids = spec("ids", (-1, 8), space="ids", dtype="INT64")

    found = sight("eye/2", described(LOOKS, LOGITS, patches, ids, NAMES))

    assert found.name == "eye/2"
    assert dict(found.outputs) == {"embeddings": "visual", "names": "name"}
    assert list(found.outputs) == ["embeddings", "names"], "looks come first"
    assert found.preparation == DEFAULTS


def test_looks_may_lie_in_another_space_alone_or_with_the_rest() -> None:
    assert dict(sight("eye", described(LOOKS, NAMES), space="visual-2").outputs) == {
        "embeddings": "visual-2",
        "names": "name",
    }
    assert dict(sight("eye", described(LOOKS, NAMES), space="visual-2", alone=True).outputs) == {
        "embeddings": "visual-2"
    }


def test_crops_are_made_as_the_model_wants_them() -> None:
    crops = Crops(fit="cover", resize_px=400, resample="bilinear")

    found = sight("eye", described(LOOKS, side_px=336, crops=crops))

    assert found.preparation == PreparationSettings(
        size_px=336, fit="cover", resize_px=400, resample="bilinear"
    )


@pytest.mark.parametrize("side_px", [-1, 0])
def test_a_model_that_does_not_say_how_large_its_crops_are_is_refused(side_px: int) -> None:
    with pytest.raises(Unsupported, match="does not take crops of one size"):
        sight("eye", described(LOOKS, side_px=side_px))


def test_a_model_without_a_space_is_refused() -> None:
    with pytest.raises(Unsupported, match="eye has no FP32 output of 2 axes that says which space") as caught:
        sight("eye", described(LOGITS))

    assert caught.value.reason == "MODEL_KIND"
