import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.data.manifest import Row
from models.data.sets import emoji

DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path fill="{}" d="M0 0h4v8H0z"/></svg>'
DREW = {"has_img_apple": True, "has_img_google": True, "has_img_twitter": True, "has_img_facebook": True}
TIGER, HAND, FLAG, SAME_FLAG, LONELY = "1f42f", "1f44b", "1f1f3-1f1f4", "1f1e7-1f1fb", "1f6ff"


def entry(codepoint: str, name: str, order: int, **more: Any) -> dict[str, Any]:
    return {
        "name": name.upper(),
        "unified": codepoint.upper(),
        "category": "Things",
        "subcategory": "thing",
        "short_names": [name.replace(" ", "_")],
        "sort_order": order,
        **DREW,
        **more,
    }


@pytest.fixture
def sources(tmp_path: Path) -> Mapping[str, Path]:
    tone = {"unified": f"{HAND}-1F3FB".upper(), **DREW}
    entries = [
        entry(TIGER, "tiger face", 1),
        entry(HAND, "waving hand sign", 2, skin_variations={"1F3FB": tone}),
        entry(FLAG, "norway flag", 3),
        entry(SAME_FLAG, "tiger face island flag", 4),
        entry(LONELY, "drawn by few", 5, has_img_twitter=False),
    ]
    drawn = [TIGER, HAND, f"{HAND}-1f3fb", FLAG, SAME_FLAG, LONELY]
    for codepoint in drawn:
        content = b"the same flag" if codepoint in (FLAG, SAME_FLAG) else codepoint.encode()
        for artist, place in (("google", "img/google/64"), ("twitter", "img/twitter/64")):
            put(tmp_path / artist / "package" / place / f"{codepoint}.png", artist.encode() + content)
        put(tmp_path / "fluent-3d/package/assets" / f"{codepoint}.webp", b"fluent" + content)
    put(tmp_path / "openmoji/package/color/svg" / f"{HAND.upper()}.svg", DRAWING.format("red").encode())
    put(tmp_path / "fluent-flat/package/icons/flat/waving-hand-default.svg", DRAWING.format("blue").encode())
    put(tmp_path / "fluent-flat/package/icons/flat/waving-hand-light.svg", DRAWING.format("tan").encode())
    put(tmp_path / "google/package/emoji.json", json.dumps(entries).encode())
    said = [
        {"hexcode": codepoint.upper(), "annotation": name, "tags": "a, b", "openmoji_tags": ""}
        for codepoint, name in (
            (TIGER, "tiger face"),
            (HAND, "waving hand"),
            (FLAG, "flag: Norway"),
            (SAME_FLAG, "flag: Bouvet Island"),
            (LONELY, "lonely"),
        )
    ]
    put(tmp_path / "openmoji/package/data/openmoji.json", json.dumps(said).encode())
    return {artist: tmp_path / artist for artist in emoji.ARTISTS}


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def built(sources: Mapping[str, Path], folder: Path) -> dict[str, Row]:
    folder.mkdir()
    return {row.id: row for row in emoji.build(sources, folder, unseen=0)}


def test_only_what_every_main_artist_drew_is_in_the_set(sources: Mapping[str, Path], tmp_path: Path) -> None:
    rows = built(sources, tmp_path / "set")

    assert not [name for name in rows if LONELY in name]
    assert {row["artist"] for row in rows.values() if row["codepoint"] == TIGER} == set(emoji.MAIN_ARTISTS)
    assert {row["artist"] for row in rows.values() if row["codepoint"] == HAND} == set(emoji.ARTISTS)


def test_a_tone_names_its_parent_and_vectors_are_drawn(sources: Mapping[str, Path], tmp_path: Path) -> None:
    rows = built(sources, tmp_path / "set")
    tone = rows[f"emoji/fluent-flat/{HAND}-1f3fb"]

    assert (tone.label, tone["tone"], tone["parent"]) == (
        "waving hand sign: light skin tone",
        "light",
        HAND,
    )
    assert tone.path.endswith(".png")
    assert (tmp_path / "set" / tone.path).read_bytes().startswith(b"\x89PNG")
    assert rows[f"emoji/google/{HAND}"]["keywords"] == "waving hand|a|b|waving hand sign"


def test_what_shows_an_example_is_withheld_with_captions_that_hold_its_name_and_its_very_picture(
    sources: Mapping[str, Path], tmp_path: Path
) -> None:
    rows = built(sources, tmp_path / "set")

    splits = {row["codepoint"]: row.split for row in rows.values() if row["artist"] == "google"}
    assert splits == {
        TIGER: "withheld",
        HAND: "train",
        f"{HAND}-1f3fb": "train",
        FLAG: "withheld",  # drawn as the next one
        SAME_FLAG: "withheld",  # its name has "tiger" and "face"
    }
    assert rows[f"emoji/google/{TIGER}"]["example"] == "yes"
