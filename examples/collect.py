"""Collects the example pictures from three npm packages, the same files every time.

The pictures are committed; this is how they came about. Fetch and unpack the packages

    npm pack emoji-datasource-twitter@16.0.0 emoji-datasource-google@16.0.0 @lobehub/fluent-emoji-3d@1.1.0

each into a folder of its own, then

    python -m examples.collect --twitter DIR --google DIR --fluent DIR

where each DIR holds the `package` folder. Two thirds of the emoji of the subgroups below
become examples. The other pictures of things (`--development DIR` writes them there) are
those on which the models were centred and the shipped settings chosen, so that no example
ever played a part in that.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

EMOJI = Path(__file__).parent / "emoji"
SHARE_PERCENT = 68
GROUPS = ("Activities", "Animals & Nature", "Food & Drink", "Objects", "Travel & Places")
SUBGROUPS = frozenset(
    [
        "animal-amphibian",
        "animal-bird",
        "animal-bug",
        "animal-mammal",
        "animal-marine",
        "animal-reptile",
        "clothing",
        "dishware",
        "drink",
        "food-asian",
        "food-fruit",
        "food-prepared",
        "food-sweet",
        "food-vegetable",
        "household",
        "medical",
        "music",
        "musical-instrument",
        "place-building",
        "plant-flower",
        "plant-other",
        "science",
        "sport",
        "tool",
        "transport-air",
        "transport-ground",
        "transport-water",
    ]
)
PATHS = {
    "twemoji": "package/img/twitter/64/{codepoint}.png",
    "noto": "package/img/google/64/{codepoint}.png",
    "fluent": "package/assets/{codepoint}.webp",
}


class Emoji(NamedTuple):
    """One class: its code points in hexadecimal name the files."""

    codepoint: str
    label: str
    group: str
    subgroup: str

    @property
    def is_example(self) -> bool:
        """Whether it is shown to users; decided by a digest, so by nobody's taste."""
        drawn = int(hashlib.sha256(self.codepoint.encode()).hexdigest(), 16) % 100
        return self.subgroup in SUBGROUPS and drawn < SHARE_PERCENT


def main() -> None:
    """Copy the pictures and write the list of classes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option in ("--twitter", "--google", "--fluent"):
        parser.add_argument(option, type=Path, required=True, metavar="DIR")
    parser.add_argument("--development", type=Path, metavar="DIR")
    chosen = parser.parse_args()
    sources = {"twemoji": chosen.twitter, "noto": chosen.google, "fluent": chosen.fluent}
    found = [emoji for emoji in emoji_of(chosen.google) if _has_all(emoji, sources)]
    examples = [emoji for emoji in found if emoji.is_example]
    write(examples, sources, EMOJI)
    if chosen.development is not None:
        write([emoji for emoji in found if not emoji.is_example], sources, chosen.development)
    print(f"{len(examples)} example classes, {len(found) - len(examples)} for development")


def emoji_of(package: Path) -> list[Emoji]:
    """Return all emoji of things, in Unicode's order."""
    entries = json.loads((package / "package" / "emoji.json").read_text(encoding="utf-8"))
    return [
        Emoji(Path(entry["image"]).stem, entry["name"].lower(), entry["category"], entry["subcategory"])
        for entry in sorted(entries, key=lambda entry: int(entry["sort_order"]))
        if entry["category"] in GROUPS
    ]


def write(emoji: Iterable[Emoji], sources: Mapping[str, Path], folder: Path) -> None:
    """Copy every vendor's pictures and list the classes in `classes.csv`."""
    listed = list(emoji)
    for vendor, source in sources.items():
        (folder / vendor).mkdir(parents=True, exist_ok=True)
        for each in listed:
            path = _path(each, vendor, source)
            shutil.copyfile(path, folder / vendor / path.name)
    with (folder / "classes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Emoji._fields)
        writer.writerows(listed)


def _has_all(emoji: Emoji, sources: Mapping[str, Path]) -> bool:
    return all(_path(emoji, vendor, source).is_file() for vendor, source in sources.items())


def _path(emoji: Emoji, vendor: str, source: Path) -> Path:
    return source / PATHS[vendor].format(codepoint=emoji.codepoint)


if __name__ == "__main__":
    main()
