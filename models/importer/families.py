"""The families of checkpoints that are known, and how one is opened with transformers.

Only classes that are named here are built, from tensors that were read here: nothing a folder says can choose
code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import (
    CLIPConfig,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    SiglipConfig,
    SiglipModel,
)
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from models.importer import openclip
from models.importer.detectors.families import DETECTORS
from models.importer.folder import CONFIG, OPENCLIP_CONFIG, CheckpointFolder
from models.importer.opening import configured, filled, plausible, processor_of, quiet, tensors_of
from models.importer.preprocessing import FILE, Preprocessing, understood
from models.importer.refusal import Refused


@dataclass(frozen=True)
class Family:
    """What is known of one family.

    Attributes:
        title: Its name.
        config: transformers' class of its configuration.
        model: transformers' class of it.
        processor: transformers' class of what prepares its pictures, on Pillow.
        reads: Whether it has a tower for texts.
        whole_rows: Whether its texts are padded to the full length, and padding is seen.
        attention: How transformers is to compute attention.
        name_templates: The sentences that it was made to read names in, as its publishers use them.
    """

    title: str
    config: Any
    model: Any
    processor: Any
    reads: bool = True
    whole_rows: bool = False
    attention: str = "eager"
    name_templates: tuple[str, ...] = ("a photo of a {}.",)


FAMILIES: Final[Mapping[str, Family]] = {
    "clip": Family("CLIP", CLIPConfig, CLIPModel, CLIPImageProcessorPil),
    "siglip": Family(
        "SigLIP",
        SiglipConfig,
        SiglipModel,
        SiglipImageProcessorPil,
        whole_rows=True,
        name_templates=("This is a photo of {}.",),
    ),
    "dinov2": Family("DINOv2", Dinov2Config, Dinov2Model, BitImageProcessorPil, reads=False),
}


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint.

    Attributes:
        folder: Where it lies.
        family: What it is.
        title: The family's name, or OpenCLIP.
        model: In evaluation mode and single precision.
        processor: transformers' own, which prepares pictures for the parity check.
        preprocessing: The same in words that serving understands.
    """

    folder: CheckpointFolder
    family: Family
    title: str
    model: Any
    processor: Any
    preprocessing: Preprocessing

    def towers(self) -> Mapping[str, nn.Module]:
        """Return encoders and projections by name: `vision`, and if it reads, `text`."""
        model = self.model
        if not self.family.reads:
            return {"vision": model, "vision_projection": nn.Identity()}
        identity = nn.Identity()
        return {
            "vision": model.vision_model,
            "vision_projection": getattr(model, "visual_projection", identity),
            "text": model.text_model,
            "text_projection": getattr(model, "text_projection", identity),
        }

    def features(self, kind: str, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return what transformers itself makes of inputs, as unit-norm rows."""
        call: Callable[..., Any] = self.model
        if self.family.reads:
            call = self.model.get_image_features if kind == "vision" else self.model.get_text_features
        with torch.inference_mode():
            found: Tensor = call(**inputs).pooler_output
        return nn.functional.normalize(found, dim=-1)


def opened(folder: CheckpointFolder) -> Checkpoint:
    """Return the model of a folder.

    Raises:
        Refused: It is of no known family, or its files do not agree with one another.
    """
    quiet()
    folder.weights()  # which says first that there are none, or pickles
    own = folder.has(OPENCLIP_CONFIG) and (
        not folder.has(CONFIG) or folder.weights()[0].name.startswith("open_clip")
    )
    described = folder.json(OPENCLIP_CONFIG) if own else {}
    content = openclip.clip_config(described) if own else folder.json(CONFIG)
    family = _family(folder, content)
    config = configured(folder, family, content)
    plausible(folder, family, config)
    tensors = tensors_of(folder)
    model = filled(folder, family, config, openclip.clip_tensors(tensors) if own else tensors)
    side = getattr(config, "vision_config", config).image_size
    said = openclip.processor_config(described, size_px=side) if own else folder.json(FILE)
    processor = processor_of(family, said)
    preprocessing = understood(processor)
    if family.reads and preprocessing.size_px != side:
        raise Refused(f"{FILE} makes {preprocessing.size_px} pixels, {CONFIG} says image_size = {side}")
    title = "OpenCLIP" if own else family.title
    return Checkpoint(folder, family, title, model, processor, preprocessing)


def _family(folder: CheckpointFolder, content: Mapping[str, Any]) -> Family:
    kind = content.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        titles = {name: family.title for table in (FAMILIES, DETECTORS) for name, family in table.items()}
        known = ", ".join(f"{name} ({title})" for name, title in titles.items())
        raise Refused(f"{folder.path / CONFIG} says model_type = {kind!r}; known are {known}, and OpenCLIP")
    return FAMILIES[kind]
