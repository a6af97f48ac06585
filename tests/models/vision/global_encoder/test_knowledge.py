"""What is taken from ImageNet's classifier, on numbers small enough to follow."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.bridge.network import StandardisedBridge
from models.vision.global_encoder.knowledge import class_features, each_name, scale_of


def test_a_class_that_every_picture_looks_like_says_nothing() -> None:
    logits = np.array([[9.0, 0.0, 1.0], [9.2, 1.0, 0.0], [8.8, 0.0, 0.0]])
    scale = scale_of(logits)
    standardised = (logits - scale.offset) / scale.spread
    assert logits.argmax(1).tolist() == [0, 0, 0]
    assert standardised[0].argmax() == 2


def test_a_scale_needs_a_spread() -> None:
    with pytest.raises(ValueError, match="at least two"):
        scale_of(np.zeros((1, 3)))
    assert np.isfinite(1 / scale_of(np.zeros((2, 3))).spread).all()


def test_the_weights_of_a_discriminant_give_back_where_its_classes_lie() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((5, 5))
    means = 0.3 * rng.standard_normal((8, 5))
    classes = rng.integers(0, 8, 40_000)
    features = means[classes] + rng.standard_normal((40_000, 5)) @ mixing
    weight = means @ np.linalg.inv(np.cov(features.T))
    found = class_features(features, weight)
    assert np.abs(found - (means - means.mean(0))).max() < 0.01
    plain = weight - weight.mean(0)
    assert np.corrcoef(plain.ravel(), means.ravel())[0, 1] < 0.9


def test_every_name_keeps_its_class() -> None:
    assert each_name([["cock", "rooster"], [], ["hen"]]) == (["cock", "rooster", "hen"], [0, 0, 2])


def test_the_bridge_hears_the_class_that_stands_out_and_is_longer_the_surer_it_is() -> None:
    offset, spread = torch.full((30,), 0.3), torch.full((30,), 0.5)
    offset[0], spread[0] = 9.0, 0.2
    bridge = StandardisedBridge(torch.eye(30), offset, spread).eval()
    logits = torch.full((3, 30), 0.3)
    logits[:, 0] = torch.tensor([8.0, 9.0, 3.0])
    logits[:, 2] = torch.tensor([7.0, 0.3, 30.0])
    with torch.inference_mode():
        found, raw = bridge(logits), bridge.mean(logits)
        alone = bridge(logits[:1])
    assert raw.argmax(1).tolist()[:2] == [0, 0]
    assert found.argmax(1).tolist() == [2, 0, 2]
    assert found.norm(dim=1)[2] > found.norm(dim=1)[1]
    assert torch.equal(found[:1], alone)
