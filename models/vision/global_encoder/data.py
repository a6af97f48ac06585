"""What the global encoder is trained on: which pictures, what each is called, how far its views may go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.data import splits
from models.data.cache import load
from models.data.manifest import Manifest, Row
from models.data.sets.emoji import ARTISTS, TONES
from models.data.splits import TRAIN, captions
from models.vision.global_encoder.views import Freedom

PLAIN_TONES: Final = tuple(TONES.values())
SAME_DESIGNS: Final = {"fluent-3d": "fluent-flat"}
"""Who drew the same designs once more: held out, one takes the other along."""
_BASE_VIEWS: Final = 3
_OTHER_VIEWS: Final = 1
_MIRRORED: Final = frozenset(("Animals & Nature", "Food & Drink", "Activities"))
_UNNAMED: Final = ("shapes|stars", "shapes|jigsaw", "shapes|flowchart", "special", "computer|icons")
"""Folders of clip art whose file names do not say what is drawn."""
_MOST_BYTES: Final = 400_000
"""Clip art in larger files are posters of up to 600 megapixels."""


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        id: Unique.
        path: Where it is.
        artist: Who drew it; empty for clip art.
        label: What its class is called; of clip art what its file is called.
        thing: What class it shows: an emoji's code point; empty for clip art.
        tone: Skin tone, empty without one.
        texts: What may be said of it, the name first.
        keywords: What it has to do with, each said of other pictures too.
        withheld: Whether the encoders that ship must not learn from it.
        freedom: Of its views.
        views: How many, beside the picture as it is.
    """

    id: str
    path: Path
    artist: str
    label: str
    thing: str
    tone: str
    texts: tuple[str, ...]
    keywords: tuple[str, ...]
    withheld: bool
    freedom: Freedom
    views: int


def pictures(cache: Path | None = None) -> tuple[Picture, ...]:
    """Return every picture that some encoder learns from, emoji first. Raises DataError.

    Args:
        cache: Where the sets lie; None: where `make data` puts them.
    """
    emoji, clipart = load("emoji", cache), load("clipart", cache)
    kept = splits.withheld_of(emoji)
    return (*_emoji(emoji), *_clipart(clipart, kept))


def learned(all_pictures: Sequence[Picture], held_out: str | None) -> tuple[Picture, ...]:
    """Return what an encoder is trained on.

    Args:
        all_pictures: As `pictures` returns them.
        held_out: An artist whose pictures are left out, and whoever drew the same designs; the names are not.
            None: the encoder that ships, for which what is withheld is left out.

    Raises:
        ValueError: If there is no such artist.
    """
    if held_out is None:
        return tuple(picture for picture in all_pictures if not picture.withheld)
    if held_out not in ARTISTS:
        raise ValueError(f"no artist is called {held_out}; there are {', '.join(ARTISTS)}")
    absent = {held_out, SAME_DESIGNS.get(held_out)}
    return tuple(picture for picture in all_pictures if picture.artist not in absent)


def digest(chosen: Sequence[Picture]) -> str:
    """Return what differs if any picture, its name or its views do."""
    said = "\n".join(f"{one.id} {one.texts} {one.freedom} {one.views}" for one in chosen)
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _emoji(manifest: Manifest) -> Iterator[Picture]:
    for row in manifest.rows:
        if row["tone"] and row["tone"] not in PLAIN_TONES:
            continue  # two people of two tones: a pair of tones is no tone
        yield Picture(
            id=row.id,
            path=manifest.file(row),
            artist=row["artist"],
            label=row.label,
            thing=row["parent"] or row["codepoint"],
            tone=row["tone"],
            texts=_texts(row),
            keywords=_keywords(row),
            withheld=row.split != TRAIN,
            freedom=_freedom(row),
            views=_OTHER_VIEWS if row["tone"] else _BASE_VIEWS,
        )


def _texts(row: Row) -> tuple[str, ...]:
    keywords = _keywords(row)
    annotation = row["annotation"] or row.label
    described = f"{annotation}: {', '.join(keywords[:8])}" if keywords else annotation
    return tuple(dict.fromkeys((row.label, annotation, described)))


def _keywords(row: Row) -> tuple[str, ...]:
    return tuple(word for word in row["keywords"].split("|") if word and word != row["annotation"])


def _freedom(row: Row) -> Freedom:
    coloured = bool(row["tone"]) or row["group"] == "Flags" or "heart" in row.label
    return Freedom(hue=not coloured, mirror=row["group"] in _MIRRORED)


def _clipart(manifest: Manifest, kept: splits.Withheld) -> Iterator[Picture]:
    for row in manifest.rows:
        folders = row["keywords"]
        if folders.startswith(_UNNAMED) or manifest.file(row).stat().st_size > _MOST_BYTES:
            continue
        said = captions((row.label, folders.replace("|", " ; ")))
        yield Picture(
            id=row.id,
            path=manifest.file(row),
            artist="",
            label=row.label,
            thing="",
            tone="",
            texts=(row.label, f"{row.label}, {folders.rpartition('|')[2]}"),
            keywords=(),
            withheld=row.split != TRAIN or kept.shows(said),
            freedom=Freedom(hue="flags" not in folders),
            views=_OTHER_VIEWS,
        )
