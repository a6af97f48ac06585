"""The families of language models that see pictures: which are opened here, and which are not, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image
from torch import Tensor, nn
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    LlavaConfig,
    LlavaForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from models.importer.folder import CONFIG, CheckpointFolder
from models.importer.opening import configured, filled, plausible, processor_of, quiet, tensors_of
from models.importer.preprocessing import FILE, Preprocessing, understood
from models.importer.rankers.network import Idefics3Tokens, LetterRanker, LlavaTokens
from models.importer.refusal import Refused
from models.ranking.chats import IDEFICS3_WHOLE, LLAVA, LLAVA_MISTRAL, LLAVA_QWEN, SMOLVLM_WHOLE, Chat

_ELSEWHERE: Final = "have a server run it and name that (docs/rankers.md)"
_TILES: Final = (
    f"it cuts pictures into tiles, whose number is not fixed, which no graph here takes: {_ELSEWHERE}"
)
_NOT_TAKEN: Final[Mapping[str, tuple[str, str]]] = {
    "idefics": ("Idefics", f"it reads pictures by attention between the layers of its text: {_ELSEWHERE}"),
    "idefics2": ("Idefics2", f"it sees each picture in a shape of its own: {_ELSEWHERE}"),
    "llava_next": ("LLaVA-NeXT", _TILES),
    "llava_onevision": ("LLaVA-OneVision", _TILES),
    "qwen2_vl": (
        "Qwen2-VL",
        f"its pictures have any number of tokens, with positions of three axes: {_ELSEWHERE}",
    ),
    "qwen2_5_vl": (
        "Qwen2.5-VL",
        f"its pictures have any number of tokens, with positions of three axes: {_ELSEWHERE}",
    ),
}
_PROCESSORS: Final[Mapping[str, Any]] = {
    "clip_vision_model": CLIPImageProcessorPil,
    "siglip_vision_model": SiglipImageProcessorPil,
}
_READERS: Final = ("llama", "mistral", "qwen2")
_ROTARY: Final = ("default", "linear", "llama3")
_STRATEGIES: Final = ("default", "full")
_LAYERS: Final = 512


@dataclass(frozen=True)
class Family:
    """Which classes of transformers it is made of, and where its parts are.

    Attributes:
        title: Its name.
        config: The class of its configuration.
        model: The class of it.
        processor: The class of what prepares its pictures.
        eye: Makes what turns crops into tokens.
        reader: What the model calls its language model.
        chats: Layouts of its prompts, each by a mark in the chat template of a folder.
        unsaid: The layout of a folder without a template; None: there must be one.
        tiles: Whether its processor cuts pictures into tiles unless told otherwise.
        attention: How transformers is to compute it.
    """

    title: str
    config: Any
    model: Any
    processor: Any
    eye: Callable[[Any, Preprocessing], nn.Module]
    reader: str
    chats: Mapping[str, Chat]
    unsaid: Chat | None = None
    tiles: bool = False
    attention: str = "eager"


_LLAVA: Final = Family(
    "LLaVA",
    LlavaConfig,
    LlavaForConditionalGeneration,
    CLIPImageProcessorPil,
    LlavaTokens,
    "language_model",
    {"ASSISTANT:": LLAVA, "[INST]": LLAVA_MISTRAL, "<|im_start|>": LLAVA_QWEN},
    unsaid=LLAVA,
)
_IDEFICS3: Final = Family(
    "Idefics3",
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Tokens,
    "text_model",
    {"<|im_start|>": SMOLVLM_WHOLE, "<|begin_of_text|>": IDEFICS3_WHOLE},
    tiles=True,
)
FAMILIES: Final[Mapping[str, Family]] = {
    "llava": _LLAVA,
    "idefics3": _IDEFICS3,
    "smolvlm": replace(
        _IDEFICS3,
        title="SmolVLM",
        config=SmolVLMConfig,
        model=SmolVLMForConditionalGeneration,
        processor=SmolVLMImageProcessorPil,
    ),
}
"""By the `model_type` of a configuration."""


@dataclass(frozen=True)
class RankerCheckpoint:
    """An opened checkpoint.

    Attributes:
        folder: Where it lies.
        family: What it is one of.
        model: In evaluation mode and single precision.
        processor: transformers' own, which prepares pictures for the parity check.
        preprocessing: The same in words that serving understands.
        image_token: The token that stands for each token of a picture.
    """

    folder: CheckpointFolder
    family: Family
    model: Any
    processor: Any
    preprocessing: Preprocessing
    image_token: int

    @property
    def title(self) -> str:
        """The family's name."""
        return self.family.title

    def eye(self) -> nn.Module:
        """Return what turns crops into tokens."""
        return self.family.eye(self.model, self.preprocessing).eval()

    def letters(self) -> nn.Module:
        """Return what reads rows of tokens."""
        return LetterRanker(getattr(self.model.model, self.family.reader), self.model.lm_head).eval()

    def pixel_values(self, pictures: Sequence[np.ndarray], *, fitted: bool = False) -> Tensor:
        """Return what its own processor makes of pictures (rows, columns, 3), for its own model.

        Args:
            pictures: RGB bytes.
            fitted: Whether they are squares of the right size already.
        """
        images: list[Any] = [Image.fromarray(each) for each in pictures]
        how = {"do_resize": False} if fitted else {}
        if self.family.tiles:
            images, how = [[each] for each in images], {**how, "do_image_splitting": False}
        elif fitted:
            how["do_center_crop"] = False
        found: Tensor = self.processor(images, return_tensors="pt", **how)["pixel_values"]
        return found


def is_ranker(folder: CheckpointFolder) -> bool:
    """Return whether a folder says that it is such a model, one that is not taken included."""
    return folder.has(CONFIG) and folder.json(CONFIG).get("model_type") in {*FAMILIES, *_NOT_TAKEN}


def opened_ranker(folder: CheckpointFolder) -> RankerCheckpoint:
    """Return the model of a folder.

    Raises:
        Refused: It is of a family, or has a part, that is not taken, or its files do not agree.
    """
    quiet()
    folder.weights()  # which says first that there are none, or pickles
    content = folder.json(CONFIG)
    if content["model_type"] in _NOT_TAKEN:
        title, why = _NOT_TAKEN[content["model_type"]]
        raise Refused(f"{folder.path} is a {title}: {why}")
    make = FAMILIES[content["model_type"]]
    if make is _LLAVA:
        eye = _kind(content.get("vision_config"), "vision_config", folder, tuple(_PROCESSORS))
        make = replace(make, processor=_PROCESSORS[eye])
    _kind(content.get("text_config"), "text_config", folder, _READERS)
    config = configured(folder, make, content)
    _known_eye(folder, config)
    _known_reader(folder, config.text_config)
    plausible(folder, make, config)
    processor = processor_of(make, folder.json(FILE))
    preprocessing = understood(processor)
    side = config.vision_config.image_size
    if preprocessing.size_px != side:
        raise Refused(f"{FILE} makes {preprocessing.size_px} pixels, {CONFIG} says image_size = {side}")
    model = filled(folder, make, config, tensors_of(folder))
    token = getattr(config, "image_token_id", None)
    return RankerCheckpoint(
        folder,
        make,
        model,
        processor,
        preprocessing,
        config.image_token_index if token is None else token,
    )


def _kind(part: Any, name: str, folder: CheckpointFolder, known: tuple[str, ...]) -> str:
    kind = part.get("model_type") if isinstance(part, Mapping) else None
    if kind not in known:
        raise Refused(
            f"{folder.path / CONFIG} says {name}.model_type = {kind!r}; known are {', '.join(known)}"
        )
    return str(kind)


def _known_eye(folder: CheckpointFolder, config: Any) -> None:
    """Refuse an eye that would be exported as something else than it is."""
    where = folder.path / CONFIG
    if not isinstance(config, LlavaConfig):
        _whole_shuffle(where, config)
        return
    layer = config.vision_feature_layer
    if not isinstance(layer, int) or not -_LAYERS <= layer <= _LAYERS:
        raise Refused(f"{where} says vision_feature_layer = {layer!r}; one layer is taken")
    if config.vision_feature_select_strategy not in _STRATEGIES:
        raise Refused(
            f"{where} says vision_feature_select_strategy = {config.vision_feature_select_strategy!r}"
        )


def _whole_shuffle(where: Path, config: Any) -> None:
    """Refuse squares of patches that are no whole number on a side of what becomes one token."""
    eye, factor = config.vision_config, config.scale_factor
    sizes = eye.image_size, eye.patch_size, factor
    if not all(isinstance(each, int) and each > 0 for each in sizes) or eye.image_size % eye.patch_size:
        raise Refused(f"{where} says image_size, patch_size, scale_factor = {sizes}: no square of patches")
    side = eye.image_size // eye.patch_size
    if side % factor:
        raise Refused(f"{where} says scale_factor = {factor}, which does not part {side} patches a side")


def _known_reader(folder: CheckpointFolder, text: Any) -> None:
    """Refuse a language model that would be exported as something else than it is."""
    where = folder.path / CONFIG
    rotary = (getattr(text, "rope_parameters", None) or {}).get("rope_type", "default")
    if rotary not in _ROTARY:
        raise Refused(f"{where} says rope_type = {rotary!r}; known are {', '.join(_ROTARY)}")
    sliding = "sliding_attention" in (getattr(text, "layer_types", None) or ())
    if sliding or (getattr(text, "sliding_window", None) and getattr(text, "use_sliding_window", True)):
        raise Refused(
            f"{where} says sliding_window = {text.sliding_window}: each token is to see all before it"
        )
