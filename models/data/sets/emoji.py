"""Emoji by five artists: 1,834 base emoji, and their skin tones.

An emoji is in the set if every artist of the `emoji-datasource` packages and the three-dimensional Fluent
set drew it; a tone if google, twitter and fluent-3d drew it. The other two artists have most of them.
Labels are the names of `emoji.json` in lower case, as in examples/emoji/classes.csv.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from models.data import splits
from models.data.manifest import Row
from models.data.packages import Npm, Package
from models.data.pictures import copied
from models.data.splits import TRAIN, UNSEEN, WITHHELD, Withheld

PACKAGES: Final[Mapping[str, Package]] = {
    "google": Npm(
        "emoji-datasource-google",
        "16.0.0",
        "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
        ("package/img/google/64/", "package/emoji.json"),
    ),
    "twitter": Npm(
        "emoji-datasource-twitter",
        "16.0.0",
        "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
        ("package/img/twitter/64/",),
    ),
    "fluent-3d": Npm(
        "@lobehub/fluent-emoji-3d",
        "1.1.0",
        "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
        ("package/assets/",),
    ),
    "openmoji": Npm(
        "openmoji",
        "17.0.0",
        "55ee7d13485dec86e9f38c1f3a645a13382d33ff97c0cd845ee824b0aef45e68",
        ("package/color/svg/", "package/data/openmoji.json"),
    ),
    "fluent-flat": Npm(
        "fluentui-emoji",
        "1.3.0",
        "ec892e607e854859b812c7d827801756adc19955b0ef56d4ae8afcddd19492c5",
        ("package/icons/flat/",),
    ),
}
LICENCES: Final = {
    "google": "Apache-2.0",
    "twitter": "CC-BY-4.0",
    "fluent-3d": "MIT",
    "openmoji": "CC-BY-SA-4.0",
    "fluent-flat": "MIT",
}
ARTISTS: Final = tuple(LICENCES)
MAIN_ARTISTS: Final = ("google", "twitter", "fluent-3d")
"""Those who drew everything; the others are for training, and for more shots."""
TONES: Final = {
    "1F3FB": "light",
    "1F3FC": "medium-light",
    "1F3FD": "medium",
    "1F3FE": "medium-dark",
    "1F3FF": "dark",
}
_DATASOURCE: Final = ("apple", "google", "twitter", "facebook")


@dataclass(frozen=True)
class Emoji:
    """One emoji or one tone of it; code points in hexadecimal, joined by hyphens."""

    codepoint: str
    name: str
    annotation: str
    keywords: str
    group: str
    subgroup: str
    tone: str = ""
    parent: str = ""

    @property
    def caption(self) -> str:
        """Both of its names, which decide whether it is withheld."""
        return splits.captions((self.name, self.annotation))


def build(sources: Mapping[str, Path], folder: Path, *, unseen: int = UNSEEN) -> Iterator[Row]:
    """Copy every artist's picture of every emoji into the folder and yield its row."""
    emoji = listed(sources)
    kept = splits.withheld([(each.codepoint, each.name) for each in emoji if not each.parent], unseen=unseen)
    rows = [
        copied(source, folder, _row(artist, each, source.suffix, kept))
        for artist in ARTISTS
        for each in emoji
        if (source := _picture(artist, each, sources[artist] / "package")) is not None
    ]
    yield from splits.without_leaks(rows)


def listed(sources: Mapping[str, Path]) -> Sequence[Emoji]:
    """Return base emoji and tones in Unicode's order."""
    said = json.loads((sources["openmoji"] / "package/data/openmoji.json").read_text(encoding="utf-8"))
    known = {_plain(entry["hexcode"]): entry for entry in said}
    entries = json.loads((sources["google"] / "package/emoji.json").read_text(encoding="utf-8"))
    found: list[Emoji] = []
    for entry in sorted(entries, key=lambda entry: int(entry["sort_order"])):
        base = _emoji(entry, known[_plain(entry["unified"])])
        if not (_everyone_drew(entry) and _fluent(base.codepoint, sources).is_file()):
            continue
        found.append(base)
        found.extend(
            replace(
                base,
                codepoint=variant["unified"].lower(),
                name=f"{base.name}: {_tone(key)} skin tone",
                tone=_tone(key),
                parent=base.codepoint,
            )
            for key, variant in entry.get("skin_variations", {}).items()
            if _everyone_drew(variant) and _fluent(variant["unified"].lower(), sources).is_file()
        )
    return _named_once(found)


def _emoji(entry: Mapping[str, Any], known: Mapping[str, str]) -> Emoji:
    texts = [known["annotation"], *known["tags"].split(","), *known["openmoji_tags"].split(",")]
    texts += [name.replace("_", " ").replace("-", " ") for name in entry["short_names"]]
    keywords = dict.fromkeys(text.strip().lower() for text in texts if text.strip())
    return Emoji(
        codepoint=entry["unified"].lower(),
        name=entry["name"].lower(),
        annotation=known["annotation"].lower(),
        keywords="|".join(keywords),
        group=entry["category"],
        subgroup=entry["subcategory"],
    )


def _named_once(found: Sequence[Emoji]) -> list[Emoji]:
    """Where two have the same name in the datasource, the first takes the one of Unicode's annotations."""
    first = {each.name: each.codepoint for each in reversed(found)}
    names = [each.name for each in found]
    return [
        replace(each, name=each.annotation)
        if names.count(each.name) > 1 and first[each.name] == each.codepoint
        else each
        for each in found
    ]


def _row(artist: str, each: Emoji, suffix: str, kept: Withheld) -> Row:
    base = each.parent or each.codepoint
    is_withheld = base in kept.unseen | kept.examples or kept.shows(each.caption)
    return Row(
        id=f"emoji/{artist}/{each.codepoint}",
        path=f"{artist}/{each.codepoint}{'.png' if suffix == '.svg' else suffix}",
        label=each.name,
        split=WITHHELD if is_withheld else TRAIN,
        licence=LICENCES[artist],
        sha256="",
        columns={
            "artist": artist,
            "codepoint": each.codepoint,
            "annotation": each.annotation,
            "keywords": each.keywords,
            "group": each.group,
            "subgroup": each.subgroup,
            "tone": each.tone,
            "parent": each.parent,
            "unseen": "yes" if base in kept.unseen else "",
            "example": "yes" if base in kept.examples else "",
        },
    )


def _picture(artist: str, each: Emoji, package: Path) -> Path | None:
    places = {
        "google": package / f"img/google/64/{each.codepoint}.png",
        "twitter": package / f"img/twitter/64/{each.codepoint}.png",
        "fluent-3d": package / f"assets/{each.codepoint}.webp",
        "openmoji": package / f"color/svg/{each.codepoint.upper()}.svg",
        "fluent-flat": package / f"icons/flat/{_slug(each)}.svg",
    }
    plain = package / f"color/svg/{each.codepoint.upper().replace('-FE0F', '')}.svg"
    choices = [places[artist], *([plain] if artist == "openmoji" else [])]
    if artist == "fluent-flat" and not each.tone:
        choices.append(package / f"icons/flat/{_slug(each)}-default.svg")
    return next((path for path in choices if path.is_file()), None)


def _slug(each: Emoji) -> str:
    """Return how fluentui-emoji names its file: the annotation in ASCII, and the tone."""
    plain = unicodedata.normalize("NFKD", each.annotation).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "").replace(".", "")).strip("-")
    return f"{slug}-{each.tone}" if each.tone else slug


def _fluent(codepoint: str, sources: Mapping[str, Path]) -> Path:
    return sources["fluent-3d"] / "package" / "assets" / f"{codepoint}.webp"


def _everyone_drew(entry: Mapping[str, Any]) -> bool:
    return all(entry[f"has_img_{artist}"] for artist in _DATASOURCE)


def _tone(key: str) -> str:
    return "+".join(TONES[part] for part in key.split("-"))


def _plain(codepoint: str) -> str:
    return codepoint.upper().replace("-FE0F", "")
