"""The families of detectors that are known, and how one is opened with transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from transformers import (
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Sam2Config,
    Sam2Model,
    SamConfig,
    SamModel,
)
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
    GroundingDinoImageProcessorPil,
)
from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

from models.importer.detectors.pixels import CLIP, IMAGENET, Channels, Pixels, pixels_of
from models.importer.folder import CONFIG, CheckpointFolder
from models.importer.opening import configured, filled, plausible, quiet, tensors_of
from models.importer.preprocessing import FILE
from models.importer.refusal import Refused

By = Literal["joint texts", "texts", "boxes"]


@dataclass(frozen=True)
class DetectorFamily:
    """What is known of one family.

    Attributes:
        title: Its name.
        config: transformers' class of its configuration.
        model: transformers' class of it.
        processor: transformers' class of what prepares its pictures, on Pillow; None: there is none.
        by: What it finds things by: all texts read together, each text by itself, or boxes.
        sides: What its processor calls the side of the square, the first of these that it names.
        side_px: The side when it does not say.
        channels: Mean and spread of the pixels when it does not say.
        parts: The kinds of network that a configuration has to name, by the path to where it does.
        threshold: The least score, as its publishers use it; not calibrated.
        stretched: Whether pictures fill the square, or keep their aspect in its upper left.
        whole_rows: As of encoders: its rows of tokens are as long as its longest text.
        attention: How transformers is to compute attention, of the whole or by part.
    """

    title: str
    config: Any
    model: Any
    processor: Any
    by: By
    sides: tuple[str, ...]
    side_px: int
    channels: Channels
    parts: Mapping[str, str]
    threshold: float = 0.0
    stretched: bool = False
    whole_rows: bool = False
    attention: Any = "eager"


_SAM2: Final = DetectorFamily(
    "SAM 2",
    Sam2Config,
    Sam2Model,
    None,
    "boxes",
    ("height",),
    1024,
    IMAGENET,
    {"vision_config.backbone_config": "sam2_hiera_det_model"},
    stretched=True,
)
DETECTORS: Final[Mapping[str, DetectorFamily]] = {
    "grounding-dino": DetectorFamily(
        "GroundingDINO",
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessorPil,
        "joint texts",
        ("shortest_edge", "height"),
        800,
        IMAGENET,
        {"backbone_config": "swin", "text_config": "bert"},
        threshold=0.25,
        # Eager attention adds its mask, which is of truth values here: nothing would be hidden.
        attention={"text_config": "sdpa", "backbone_config": "eager"},
    ),
    "owlv2": DetectorFamily(
        "OWLv2",
        Owlv2Config,
        Owlv2ForObjectDetection,
        Owlv2ImageProcessorPil,
        "texts",
        ("height",),
        960,
        CLIP,
        {},
        threshold=0.1,
    ),
    "sam": DetectorFamily(
        "SAM", SamConfig, SamModel, SamImageProcessorPil, "boxes", ("longest_edge",), 1024, IMAGENET, {}
    ),
    "sam2": _SAM2,
    "sam2_video": _SAM2,  # as it is published: with a memory for videos, which pictures do without
}
_SAM2_PARTS: Final = ("vision_config", "prompt_encoder_config", "mask_decoder_config")


@dataclass(frozen=True)
class DetectorCheckpoint:
    """An opened checkpoint.

    Attributes:
        folder: Where it lies.
        family: What it is.
        model: In evaluation mode and single precision.
        pixels: What is done to the pixels of its squares.
        said: What its processor is told.
    """

    folder: CheckpointFolder
    family: DetectorFamily
    model: Any
    pixels: Pixels
    said: Mapping[str, Any]

    @property
    def title(self) -> str:
        """The family's name."""
        return self.family.title


def is_detector(folder: CheckpointFolder) -> bool:
    """Return whether a folder says that it is of one of these families. Raises Refused if it is damaged."""
    return folder.has(CONFIG) and folder.json(CONFIG).get("model_type") in DETECTORS


def opened_detector(folder: CheckpointFolder) -> DetectorCheckpoint:
    """Return the model of a folder of one of these families.

    Raises:
        Refused: Its files do not agree with one another, or it is made of other networks than are known.
    """
    quiet()
    content = folder.json(CONFIG)
    family = DETECTORS[content["model_type"]]
    for path, kind in family.parts.items():
        _is_of(folder, content, path, kind)
    if family is _SAM2:
        content = {"model_type": "sam2", **{key: content[key] for key in _SAM2_PARTS if key in content}}
    config = configured(folder, family, content)
    plausible(folder, family, config)
    model = filled(folder, family, config, tensors_of(folder))
    said = folder.json(FILE)
    pixels = pixels_of(said, sides=family.sides, side_px=family.side_px, channels=family.channels)
    side = _own_side(config)
    if side and side != pixels.side_px:
        raise Refused(f"{FILE} makes {pixels.side_px} pixels, {CONFIG} says image_size = {side}")
    return DetectorCheckpoint(folder, family, model, pixels, said)


def _is_of(folder: CheckpointFolder, content: Mapping[str, Any], path: str, kind: str) -> None:
    """Refuse a part of another kind: its network would be chosen by the folder."""
    part: Any = content
    for key in path.split("."):
        part = part.get(key) if isinstance(part, Mapping) else None
    found = part.get("model_type") if isinstance(part, Mapping) else None
    if found != kind:
        raise Refused(f"{folder.path / CONFIG} has {path} of the kind {found!r}; {kind!r} is known here")


def _own_side(config: Any) -> int:
    """Return the side of the square that a network was made for; 0: any."""
    vision = getattr(config, "vision_config", None)
    if vision is None:
        return 0
    size = getattr(vision, "backbone_config", vision).image_size
    return int(size if isinstance(size, int) else size[0])
