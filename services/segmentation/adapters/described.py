"""What a detector says of itself: what it is to be given, and which models read prompts for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from models.segmentation.second_look import SecondLook, read_names
from services.kernel.errors import Corrupt, Unsupported
from services.kernel.vocabulary import PromptKind
from services.runtime.model_execution import tables
from services.runtime.model_execution.crops import Sight, sight
from services.runtime.model_execution.folder import Description, ModelFolder
from services.runtime.model_execution.opening import OpenedModels, Wanted
from services.runtime.model_execution.tables import Strict
from services.runtime.model_execution.texts import Reading, reading

INPUTS: Final = frozenset({"images", "sentences"})
OUTPUTS: Final = frozenset(
    {"queries", "offsets", "boxes", "objectness", "mask_queries", "mask_features", "texts", "relations"}
)
_IMAGE_AXES: Final = 4


@dataclass(frozen=True)
class Detection:
    """How things are found.

    Attributes:
        detector: A model from UINT8 `images` and FP32 `sentences` to what it saw.
        scorer: A model from FP32 `queries`, `offsets` and `texts` to FP32 `logits`.
        side_px: Of the squares that the detector sees.
        dimensions: Of a text's vector.
        thresholds: The score above which something counts as found.
        reading: How texts are read.
        exemplars: How pictures of what is looked for are seen; None: they are not.
        second_look: How crops of the surest places, seen in the same way, join the scores; None: not at all.
        second_thresholds: The scores above which something counts as found then, by the kinds that differ.
    """

    detector: str
    scorer: str
    side_px: int
    dimensions: int
    thresholds: Mapping[PromptKind, float]
    reading: Reading
    exemplars: Sight | None = None
    second_look: SecondLook | None = None
    second_thresholds: Mapping[PromptKind, float] = field(default_factory=dict)

    @property
    def wanted(self) -> Wanted:
        """Which models take part; the detector's own description decides how, so it must be that one."""
        names = {self.detector, self.scorer, self.reading.name}
        if self.exemplars is not None:
            names.add(self.exemplars.name)
        return Wanted(frozenset(names), frozenset({self.detector, self.scorer, self.reading.name}))


def detection(name: str, opened: OpenedModels) -> Detection:
    """Return how things are found with the detector of this name.

    Raises:
        NotFound: It, or a model that it needs, is not there.
        Corrupt: A file is not the one that its model describes.
        Unsupported: It is no detector, or one of the others does not fit it.
    """
    folder = opened(name)
    described = folder.description
    asked = described.detection
    if asked is None or not _is_detector(described):
        raise Unsupported(
            f"{described.name} is no detector: it needs the inputs {_listed(INPUTS)}, the outputs "
            f"{_listed(OUTPUTS)}, and a table [detection]",
            reason="MODEL_KIND",
        )
    reads = reading(asked.text_model, opened(asked.text_model))
    sees = None
    if asked.exemplar_model:
        sees = sight(asked.exemplar_model, opened(asked.exemplar_model).description)
        if reads.space not in sees.outputs.values():
            raise Unsupported(
                f"{asked.exemplar_model} does not see into the space {reads.space}, in which "
                f"{asked.text_model} reads",
                reason="MODEL_KIND",
            )
    twice = None if sees is None else asked.second_look
    inputs = {each.name: each for each in described.inputs}
    dimensions = inputs["sentences"].shape[-1]
    return Detection(
        name,
        asked.scorer,
        side_px=inputs["images"].shape[1],
        dimensions=dimensions,
        thresholds=_by_kind(asked.thresholds),
        reading=reads,
        exemplars=sees,
        second_look=None if twice is None else _second_look(twice, folder, dimensions),
        second_thresholds={} if twice is None else _by_kind(twice.thresholds),
    )


def _second_look(asked: tables.SecondLook, folder: ModelFolder, dimensions: int) -> SecondLook:
    constants = asked.model_dump(exclude={"thresholds"})
    if not asked.near:
        return SecondLook(**constants)
    path = folder.external("names")
    try:
        names = read_names(path)
    except ValueError as error:
        raise Corrupt(f"names of {folder.name} cannot be read: {error}") from error
    if names.shape[1] != dimensions:
        raise Corrupt(f"{path} has rows of {names.shape[1]} numbers, and texts have {dimensions}")
    return SecondLook(**constants, names=names)


def _by_kind(thresholds: Strict) -> Mapping[PromptKind, float]:
    return {PromptKind(kind): value for kind, value in thresholds.model_dump().items()}


def _is_detector(described: Description) -> bool:
    images = next((each for each in described.inputs if each.name == "images"), None)
    return (
        images is not None
        and len(images.shape) == _IMAGE_AXES
        and {each.name for each in described.inputs} == INPUTS
        and {each.name for each in described.outputs} >= OUTPUTS
    )


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
