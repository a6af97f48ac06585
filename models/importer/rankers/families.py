"""The families of language models that see pictures: which are opened here, and which are not, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from transformers import LlavaConfig, LlavaForConditionalGeneration
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from models.importer.folder import CONFIG, CheckpointFolder
from models.importer.opening import configured, filled, plausible, processor_of, quiet, tensors_of
from models.importer.preprocessing import FILE, Preprocessing, understood
from models.importer.refusal import Refused

LLAVA: Final = "llava"
_ELSEWHERE: Final = "have a server run it and name that (docs/rankers.md)"
_TILES: Final = (
    f"it cuts pictures into tiles, whose number is not fixed, which no graph here takes: {_ELSEWHERE}"
)
_NOT_TAKEN: Final[Mapping[str, tuple[str, str]]] = {
    "idefics": ("Idefics", f"it reads pictures by attention between the layers of its text: {_ELSEWHERE}"),
    "idefics2": ("Idefics2", _TILES),
    "idefics3": ("Idefics3", _TILES),
    "smolvlm": ("SmolVLM", _TILES),
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
class Llava:
    """Which classes of transformers it is made of."""

    processor: Any
    title: str = "LLaVA"
    config: Any = LlavaConfig
    model: Any = LlavaForConditionalGeneration
    attention: str = "eager"


@dataclass(frozen=True)
class RankerCheckpoint:
    """An opened checkpoint.

    Attributes:
        folder: Where it lies.
        title: The family's name.
        model: In evaluation mode and single precision.
        processor: transformers' own, which prepares pictures for the parity check.
        preprocessing: The same in words that serving understands.
        image_token: The token that stands for each token of a picture.
    """

    folder: CheckpointFolder
    title: str
    model: Any
    processor: Any
    preprocessing: Preprocessing
    image_token: int


def is_ranker(folder: CheckpointFolder) -> bool:
    """Return whether a folder says that it is such a model, one that is not taken included."""
    return folder.has(CONFIG) and folder.json(CONFIG).get("model_type") in {LLAVA, *_NOT_TAKEN}


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
    eye = _kind(content.get("vision_config"), "vision_config", folder, tuple(_PROCESSORS))
    _kind(content.get("text_config"), "text_config", folder, _READERS)
    make = Llava(_PROCESSORS[eye])
    config = configured(folder, make, content)
    _known_parts(folder, config)
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
        make.title,
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


def _known_parts(folder: CheckpointFolder, config: Any) -> None:
    """Refuse what would be exported as something else than it is."""
    where, text = folder.path / CONFIG, config.text_config
    layer = config.vision_feature_layer
    if not isinstance(layer, int) or not -_LAYERS <= layer <= _LAYERS:
        raise Refused(f"{where} says vision_feature_layer = {layer!r}; one layer is taken")
    if config.vision_feature_select_strategy not in _STRATEGIES:
        raise Refused(
            f"{where} says vision_feature_select_strategy = {config.vision_feature_select_strategy!r}"
        )
    rotary = (getattr(text, "rope_parameters", None) or {}).get("rope_type", "default")
    if rotary not in _ROTARY:
        raise Refused(f"{where} says rope_type = {rotary!r}; known are {', '.join(_ROTARY)}")
    sliding = "sliding_attention" in (getattr(text, "layer_types", None) or ())
    if sliding or (getattr(text, "sliding_window", None) and getattr(text, "use_sliding_window", True)):
        raise Refused(
            f"{where} says sliding_window = {text.sliding_window}: each token is to see all before it"
        )
