"""From an image and prompts to maps: what each pixel shows."""

from __future__ import annotations

import enum
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int16
from PIL import Image

from models.segmentation.maps import COMPETING, Kept, Segment, panoptic, semantic
from models.segmentation.outputs import reached, select
from models.segmentation.pixels import mask_logits
from models.segmentation.prepared import Square, views
from services.kernel.errors import InvalidInput, Unsupported
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import FindOptions, ImageReference, Prompt, PromptKind, Stage
from services.segmentation.domain import shapes
from services.segmentation.domain.finding import counted
from services.segmentation.domain.seen import SeenTwice
from services.segmentation.ports import MapStore
from services.segmentation.usecases.find import Passes, Turn, rungs_of
from services.segmentation.usecases.look import Second
from services.segmentation.usecases.stages import Stages


class MapKind(enum.Enum):
    """What a map says of a pixel."""

    SEMANTIC = "semantic"
    """Which prompt it shows: its place + 1; 0: none."""
    PANOPTIC = "panoptic"
    """Which segment it is part of; 0: none."""


@dataclass(frozen=True)
class MapOrder:
    """Which maps are wanted of an image.

    Attributes:
        image: Which.
        prompts: What pixels may show.
        find: How to look.
        kinds: Of the maps.
        stuff: Places of the prompts that name stuff.
        side_px: Of the map's longer side; 0: as large as there are.
    """

    image: ImageReference
    prompts: Sequence[Prompt]
    find: FindOptions = field(default_factory=FindOptions)
    kinds: frozenset[MapKind] = frozenset(MapKind)
    stuff: frozenset[int] = frozenset()
    side_px: int = 0


@dataclass(frozen=True)
class DrawnMap:
    """Where a map lies for others: a PNG of 16 bits, its key and SHA-256."""

    kind: MapKind
    key: str
    digest: str
    width_px: int
    height_px: int


@dataclass(frozen=True)
class DrawnMaps:
    """The maps of one image, the segments of the panoptic one, and the record of how they came about."""

    maps: tuple[DrawnMap, ...]
    segments: tuple[Segment, ...]
    stage: Stage


class DrawMaps:
    """Lays maps of an image into the object store.

    Args:
        passes: Has the image looked at; None: there is no detector.
        store: Where maps are laid.
        stages: Makes the record.
    """

    def __init__(self, passes: Passes | None, store: MapStore, stages: Stages) -> None:
        self._passes = passes
        self._store = store
        self._stages = stages

    def __call__(self, order: MapOrder) -> DrawnMaps:
        """Return where the maps lie.

        Raises:
            InvalidInput: There is no prompt, or too many; or as `FindRegions`.
            Unsupported: There is no detector, or it makes no masks.
            NotFound, Corrupt, DeadlineExceeded, Unavailable: An image, a model or the store is away.
        """
        started = self._stages.clock()
        image = shapes.checked_image(order.image)
        _require_prompts(order)
        passes = self._passes
        if passes is None:
            raise shapes.no_detector()
        width_px, height_px = map_size(image, order.side_px)
        kept, second = _kept(passes, order, (width_px, height_px))
        maps: list[DrawnMap] = []
        segments: tuple[Segment, ...] = ()
        if MapKind.SEMANTIC in order.kinds:
            drawn = semantic(kept, width_px=width_px, height_px=height_px) + np.int16(1)
            maps.append(self._stored(MapKind.SEMANTIC, drawn, image))
        if MapKind.PANOPTIC in order.kinds:
            found = panoptic(kept, _stuff(order), width_px=width_px, height_px=height_px)
            maps.append(self._stored(MapKind.PANOPTIC, found.ids, image))
            segments = found.segments
        models = passes.models(order.prompts, second)
        stage = self._stages.ended(started, models, rungs_of(second))
        return DrawnMaps(tuple(maps), segments, stage)

    def _stored(self, kind: MapKind, values: Int16[np.ndarray, "h w"], image: ImageReference) -> DrawnMap:
        key, digest = self._store.put(image, png(values))
        return DrawnMap(kind, key, digest, width_px=values.shape[1], height_px=values.shape[0])


def map_size(image: ImageReference, side_px: int) -> tuple[int, int]:
    """Return width and height of a map: the image's, unless it is larger than a map may be or shall be."""
    longer = max(image.width_px, image.height_px)
    side = min(longer, side_px or LIMITS.map_side_px, LIMITS.map_side_px)
    width, height = (max(1, round(length * side / longer)) for length in (image.width_px, image.height_px))
    return width, height


def png(values: Int16[np.ndarray, "h w"]) -> bytes:
    """Return a picture of one channel of 16 bits."""
    file = io.BytesIO()
    Image.fromarray(values.astype(np.uint16)).save(file, "PNG", compress_level=1)
    return file.getvalue()


@dataclass(frozen=True, eq=False)
class _Part:
    """What one pass leaves for maps; `logits` are of the prompts at `places` alone."""

    places: tuple[int, ...]
    logits: Float32[np.ndarray, "k t"]
    masks: Float32[np.ndarray, "k cells cells"]
    boxes: Float64[np.ndarray, "k 4"]
    squares: tuple[Square, ...]


def _kept(passes: Passes, order: MapOrder, size_px: tuple[int, int]) -> tuple[Kept, Second]:
    """Return the queries that answer a prompt, in pixels of the map, and what became of the second look."""
    picture = passes.picture(order.image, order.find)
    on_map = views(*size_px, picture.grid, side_px=picture.detector.side_px())
    parts: list[_Part] = []
    second = Second.NONE
    for turn in passes(picture, order.prompts):
        parts += _parts(passes, turn, order, on_map)
        second = second if turn.second is Second.NONE else turn.second
    logits = np.full((sum(len(part.logits) for part in parts), len(order.prompts)), -np.inf, dtype=np.float32)
    row = 0
    for part in parts:
        logits[row : row + len(part.logits), list(part.places)] = part.logits
        row += len(part.logits)
    kept = Kept(
        logits,
        np.concatenate([part.masks for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        tuple(square for part in parts for square in part.squares),
    )
    return kept, second


def _parts(passes: Passes, turn: Turn, order: MapOrder, on_map: Sequence[Square]) -> Iterator[_Part]:
    """Yield for each view what answers a prompt there."""
    if not turn.seen.mask_queries.shape[2]:
        raise Unsupported("this detector makes no masks, so no maps can be drawn", reason="NO_MASKS")
    logits = np.concatenate(list(passes.logits(turn, order.prompts)), axis=1)  # (views x q, t)
    stuff = _stuff(order)[list(turn.places)]
    if isinstance(turn.seen, SeenTwice) and stuff.any():  # whoever sees crops knows things, and no stuff
        first = replace(turn, seen=turn.seen.at_first())
        at_first = np.concatenate(list(passes.logits(first, order.prompts)), axis=1)
        logits = np.where(stuff, at_first, logits)
    asked = passes.thresholds(turn, order.prompts, order.find)
    if order.find.threshold is None:
        asked = asked * COMPETING
    found = select(turn.boxes, [logits], asked)
    each_view = turn.seen.boxes.shape[1]
    queries = np.unique(found.queries)
    for view, square in enumerate(on_map):
        here = queries[queries // each_view == view]
        own = here % each_view
        yield _Part(
            turn.places,
            reached(logits[here], asked),
            mask_logits(turn.seen.mask_queries[view, own], turn.seen.mask_features[view]),
            square.to_image(turn.seen.boxes[view, own].astype(np.float64)),
            (square,) * len(here),
        )


def _stuff(order: MapOrder) -> Bool[np.ndarray, "t"]:
    stuff = np.zeros(len(order.prompts), dtype=np.bool_)
    stuff[list(order.stuff)] = True
    return stuff


def _require_prompts(order: MapOrder) -> None:
    count = len(order.prompts)
    if not count:
        raise InvalidInput(
            "prompts is empty: name at least one thing that pixels may show",
            field="prompts",
            reason="PROMPTS_MISSING",
        )
    if count > LIMITS.prompts_per_map:
        raise InvalidInput(
            f"prompts has {count} entries; a map tells at most {LIMITS.prompts_per_map} apart",
            field="prompts",
            reason="TOO_MANY_PROMPTS",
        )
    asked = counted(order.prompts)
    if asked[PromptKind.PHRASE] + asked[PromptKind.SENTENCE] > LIMITS.phrases_per_map:
        raise InvalidInput(
            f"prompts has more than {LIMITS.phrases_per_map} phrases and sentences; draw several maps",
            field="prompts",
            reason="TOO_MANY_PROMPTS",
        )
    if outside := [place for place in order.stuff if place >= count]:
        raise InvalidInput(
            f"stuff names the place {outside[0]}; the last prompt's is {count - 1}",
            field="stuff",
            reason="PROMPT_UNKNOWN",
        )
