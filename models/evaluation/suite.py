"""Everything that `make eval` measures, in one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from models.data.cache import cache_folder, load
from models.data.manifest import MANIFEST, Manifest
from models.data.sets.emoji import MAIN_ARTISTS
from models.data.splits import EVALUATION, WITHHELD
from models.evaluation import encoders
from models.evaluation.dense import reader
from models.evaluation.encoders import VISUAL, Encoder, NoSuchModel
from models.evaluation.folds import fold
from models.evaluation.protocols import artists, latency, names, scenes, shots, tones
from models.evaluation.protocols.artists import Asked, base_of
from models.evaluation.protocols.latency import Rate, Stage
from models.evaluation.protocols.names import Named
from models.evaluation.protocols.scenes import SCENES, Found, Way, cropped, shrunk
from models.evaluation.protocols.shots import FewShot
from models.evaluation.protocols.tones import Toned
from models.evaluation.subjects import Encoded, Pixels, Pooled, Subject
from models.files import digest
from models.vision.local_encoder.reading import Reader
from models.vision.tiles import WHOLE

RAW: Final = "untrained: efficientnet-lite0, ConSE"
SHIPPED: Final = "fovea-global"
POOLED: Final = Pooled.title
FOLD: Final = "fovea-global, trained without that artist"
DENSE: Final = "fovea-local and fovea-regions, dense"


@dataclass(frozen=True)
class SetUsed:
    """A data set, and the digest of its manifest, which holds the digest of every picture."""

    name: str
    pictures: int
    manifest: str


@dataclass(frozen=True, eq=False)
class Results:
    """What was measured; `left_out` says what was not, and why."""

    sets: tuple[SetUsed, ...]
    across: tuple[Asked, ...]
    unseen: tuple[Named, ...]
    photographs: tuple[Named, ...]
    tones: tuple[Toned, ...]
    drawn_shots: tuple[FewShot, ...]
    textile_shots: tuple[FewShot, ...]
    found: tuple[Found, ...]
    stages: tuple[Stage, ...]
    rates: tuple[Rate, ...]
    left_out: tuple[str, ...]


class Suite:
    """Runs the protocols on the sets in the cache.

    Args:
        with_folds: Whether folds take part; those that are not in the cache are trained.
    """

    def __init__(self, *, with_folds: bool) -> None:
        self._features = cache_folder().parent / "features"
        self._sets = {name: load(name) for name in ("emoji", "photos", "scenery", "textile")}
        self._pixels = Pixels(self._features)
        self._raw_encoder = encoders.raw()
        self._raw = Encoded(RAW, self._raw_encoder, self._features)
        self._left_out: list[str] = []
        self._dense = self._reader()
        self._shipped_encoder = encoders.trained()
        self._shipped = Encoded(SHIPPED, self._shipped_encoder, self._features)
        self._folds = (
            {artist: Encoded(FOLD, fold(artist), self._features) for artist in MAIN_ARTISTS}
            if with_folds
            else {}
        )
        if not with_folds:
            self._left_out.append(f"Left out by request: every row of *{FOLD}*.")

    def run(self) -> Results:
        """Measure everything."""
        emoji = self._sets["emoji"]
        return Results(
            sets=tuple(_used(found) for found in self._sets.values()),
            across=tuple(artists.ask(emoji, self._across())),
            unseen=tuple(
                each
                for subject in self._named()
                for each in names.unseen(emoji, MAIN_ARTISTS, subject, self._raw)
            ),
            photographs=tuple(self._photographs()),
            tones=tuple(self._tones()),
            drawn_shots=tuple(self._shots(_drawn_five_times(emoji))),
            textile_shots=tuple(self._shots(_some(self._sets["textile"]), queries=96)),
            found=tuple(self._small_objects()),
            stages=tuple(self._stages()),
            rates=tuple(self._rates()),
            left_out=tuple(self._left_out),
        )

    def _reader(self) -> Reader | None:
        try:
            return reader()
        except NoSuchModel as error:
            self._left_out.append(f"Left out: everything of *{DENSE}* ({error}).")
            return None

    def _named(self) -> tuple[Subject, ...]:
        return (self._raw, self._shipped)

    def _pictured(self) -> tuple[Subject, ...]:
        return (self._pixels, Pooled(self._raw), self._raw, self._shipped)

    def _across(self) -> Mapping[str, list[Subject]]:
        untrained: list[Subject] = [self._pixels, Pooled(self._raw), self._raw]
        return {artist: [*untrained, *self._fold(artist)] for artist in MAIN_ARTISTS}

    def _fold(self, artist: str) -> list[Subject]:
        return [self._folds[artist]] if artist in self._folds else []

    def _photographs(self) -> Iterator[Named]:
        for subject in self._named():
            found = names.photographs(self._sets["photos"], subject, self._raw)
            if found is not None:
                yield found

    def _tones(self) -> Iterator[Toned]:
        emoji = self._sets["emoji"]
        for artist, subjects in self._across().items():
            for subject in subjects:
                yield tones.tell(emoji, artist, subject)
            for subject in (self._raw, self._shipped):
                yield tones.tell(emoji, artist, subject, WITHHELD)

    def _shots(self, pictures: Manifest, *, queries: int = 1) -> Iterator[FewShot]:
        for subject in self._pictured():
            yield from shots.ask(pictures, subject, queries=queries)

    def _small_objects(self) -> Iterator[Found]:
        asked, known = _examples(self._sets["emoji"], "fluent-3d"), _examples(self._sets["emoji"], "google")
        composed = scenes.compose_all(asked, self._scenery(), scenes=SCENES)
        labels = [row.label for row in known.rows]
        for way in self._ways(known):
            yield scenes.recognise(composed, labels, way)

    def _ways(self, known: Manifest) -> Iterator[Way]:
        for title, encoder, subject in (
            (RAW, self._raw_encoder, self._raw),
            (SHIPPED, self._shipped_encoder, self._shipped),
        ):
            memory = subject.see(known).visual
            see = partial(_visual, encoder)
            yield Way(f"{title}: crop and blur, picture shrunk to 224 px", shrunk(see), memory)
            yield Way(f"{title}: crop and blur, full resolution", cropped(see), memory)
        if self._dense is not None:
            memory = self._shipped.see(known).visual
            yield Way(f"{DENSE}: one tile", partial(self._dense.read, grid=WHOLE), memory)
            yield Way(f"{DENSE}: tiles", self._dense.read, memory)

    def _stages(self) -> list[Stage]:
        return latency.stages(latency.photograph(self._scenery()), self._shipped_encoder)

    def _rates(self) -> list[Rate]:
        asked = _examples(self._sets["emoji"], "fluent-3d")
        (scene,) = scenes.compose_all(asked, self._scenery(), scenes=1)
        ways = [("crop and blur", cropped(partial(_visual, self._shipped_encoder)))]
        if self._dense is not None:
            ways.append(("dense, 2 x 2 tiles", self._dense.read))
        return latency.rates(scene, ways)

    def _scenery(self) -> Manifest:
        return self._sets["scenery"].where(lambda row: row["kind"] == "scenery" and row.split == EVALUATION)


def _visual(encoder: Encoder, crops: UInt8[np.ndarray, "n 224 224 3"]) -> Float32[np.ndarray, "n dim"]:
    return encoder.see(crops)[VISUAL]


def _examples(emoji: Manifest, artist: str) -> Manifest:
    """Return an artist's pictures of the examples' classes, which nothing that ships was trained on."""
    return base_of(emoji, artist).where(lambda row: row["example"] == "yes")


def _drawn_five_times(emoji: Manifest) -> Manifest:
    """Return the base emoji that are withheld by name, of which most have five pictures."""
    return emoji.where(lambda row: not row["parent"] and bool(row["example"] or row["unseen"]))


def _some(textile: Manifest) -> Manifest:
    """Return a quarter of the pictures: enough for every draw."""
    return Manifest(textile.name, textile.folder, textile.rows[::4])


def _used(found: Manifest) -> SetUsed:
    return SetUsed(found.name, len(found), digest(found.folder / MANIFEST))
