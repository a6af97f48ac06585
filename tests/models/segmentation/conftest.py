"""A detector small enough to be tried often."""

import pytest
import torch

from models.segmentation.network import Detector
from models.segmentation.settings import DetectorSettings
from models.vision.efficientnet.network import EfficientNetLite0

SMALL = DetectorSettings(
    side_px=96,
    texts=16,
    width=32,
    heads=4,
    points=2,
    hidden=32,
    anchor_cells=2.0,
    encoder_layers=2,
    decoder_layers=2,
    fused=32,
    proposals=(24, 12, 6),
    queries=20,
    masks=8,
    aligned=24,
    region_points=3,
    region_kept=8,
    region_hidden=32,
)


@pytest.fixture
def small() -> Detector:
    torch.manual_seed(0)
    return Detector(EfficientNetLite0(), SMALL).eval()
