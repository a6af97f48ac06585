"""What the global encoder may learn from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.manifest import Row, write
from models.data.splits import TRAIN, WITHHELD
from models.vision.global_encoder.data import Picture, learned, pictures


def drawing(folder: Path, name: str) -> dict[str, str]:
    """Draw a picture nobody drew before; return its path and digest."""
    path = folder / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = hashlib.sha256(str(path).encode()).digest()[:3]
    Image.fromarray(np.full((8, 8, 3), tuple(colour), dtype=np.uint8)).save(path)
    return {"path": f"{name}.png", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def emoji(folder: Path, artist: str, codepoint: str, **columns: str) -> Row:
    """Return one emoji; `label` and `split` among the columns stand for themselves."""
    label, split = columns.pop("label", codepoint), columns.pop("split", TRAIN)
    known = {"artist": artist, "codepoint": codepoint, "annotation": label, "keywords": f"{label}|drawn"}
    drawn = drawing(folder, f"{artist}/{codepoint}")
    return Row(
        f"emoji/{artist}/{codepoint}",
        label=label,
        split=split,
        licence="MIT",
        columns=known | columns,
        **drawn,
    )


def clipart(folder: Path, label: str, folders: str, split: str = TRAIN) -> Row:
    """Return one piece of clip art."""
    drawn = drawing(folder, label.replace(" ", "_"))
    columns = {"group": folders.partition("|")[0], "keywords": folders}
    return Row(
        f"clipart/{label}", label=label, split=split, licence="public-domain", columns=columns, **drawn
    )


@pytest.fixture
def everything(tmp_path: Path) -> tuple[Picture, ...]:
    """Return the pictures of two small sets; the example class tiger face and a flag are withheld."""
    drawn = tmp_path / "emoji"
    rows = [
        emoji(drawn, artist, "1f600", label="grinning face")
        for artist in ("google", "fluent-3d", "fluent-flat")
    ]
    rows += [
        emoji(drawn, "google", "1f42f", label="tiger face", split=WITHHELD),
        emoji(drawn, "google", "1f44d-1f3fb", label="thumbs up", parent="1f44d", tone="light"),
        emoji(drawn, "google", "1faf1-two", label="handshake", parent="1f91d", tone="light+dark"),
        emoji(drawn, "google", "2764", label="red heart", group="Symbols"),
        emoji(drawn, "google", "1f408", label="cat", group="Animals & Nature"),
    ]
    write(drawn, rows)
    art = tmp_path / "clipart"
    write(
        art,
        [
            clipart(art, "old boat", "transportation"),
            clipart(art, "face", "animals|tigers"),
            clipart(art, "star pt", "shapes|stars"),
        ],
    )
    return pictures(tmp_path)


def ids(chosen: tuple[Picture, ...]) -> set[str]:
    """Return the ids of pictures."""
    return {picture.id for picture in chosen}


def test_the_encoder_that_ships_never_learns_from_what_is_withheld(everything: tuple[Picture, ...]) -> None:
    assert "emoji/google/1f42f" not in ids(learned(everything, None))
    assert "emoji/google/1f600" in ids(learned(everything, None))


def test_clip_art_whose_name_and_folders_say_a_withheld_name_is_withheld(
    everything: tuple[Picture, ...],
) -> None:
    assert "clipart/face" not in ids(learned(everything, None))
    assert "clipart/old boat" in ids(learned(everything, None))


def test_a_fold_learns_every_name_and_nothing_by_the_artist_or_of_the_same_designs(
    everything: tuple[Picture, ...],
) -> None:
    chosen = learned(everything, "fluent-3d")

    assert {picture.artist for picture in chosen} == {"google", ""}
    assert "emoji/google/1f42f" in ids(chosen)


def test_an_unknown_artist_is_an_error(everything: tuple[Picture, ...]) -> None:
    with pytest.raises(ValueError, match="no artist is called nobody"):
        learned(everything, "nobody")


def test_pairs_of_tones_and_files_without_a_telling_name_are_no_pictures_to_learn_from(
    everything: tuple[Picture, ...],
) -> None:
    assert ids(everything).isdisjoint({"emoji/google/1faf1-two", "clipart/star pt"})


def test_a_tone_belongs_to_its_parents_class(everything: tuple[Picture, ...]) -> None:
    toned = next(picture for picture in everything if picture.tone)

    assert (toned.thing, toned.tone) == ("1f44d", "light")


def test_colours_with_a_meaning_stay_and_only_what_has_no_direction_is_mirrored(
    everything: tuple[Picture, ...],
) -> None:
    freedom = {picture.label: picture.freedom for picture in everything}

    assert not freedom["red heart"].hue
    assert not freedom["thumbs up"].hue
    assert freedom["cat"].hue
    assert freedom["cat"].mirror
    assert not freedom["grinning face"].mirror


def test_texts_of_a_picture_begin_with_its_name(everything: tuple[Picture, ...]) -> None:
    cat = next(picture for picture in everything if picture.label == "cat")

    assert cat.texts == ("cat", "cat: drawn")
