"""What `fovea recognize` and `fovea submit` look for in pictures, as options say it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from fovea.cli.terminal import say
from fovea.client import Find, Prompt

_PANEL: Final = "Finding"
_ARTICLES: Final = ("the ", "a ", "an ")

Names = Annotated[
    list[str] | None,
    typer.Option(
        "--find",
        metavar="NAME",
        help="Recognise whatever is a NAME, such as `traffic light`; may be repeated, commas are text.",
        rich_help_panel=_PANEL,
    ),
]
Phrases = Annotated[
    list[str] | None,
    typer.Option(
        "--find-phrase",
        metavar="PHRASE",
        help="What a phrase describes: `the red cup on the left`; may be repeated.",
        rich_help_panel=_PANEL,
    ),
]
Sentences = Annotated[
    list[str] | None,
    typer.Option(
        "--find-sentence",
        metavar="SENTENCE",
        help="What a sentence describes; may be repeated.",
        rich_help_panel=_PANEL,
    ),
]
Exemplars = Annotated[
    list[str] | None,
    typer.Option(
        "--find-exemplar",
        metavar="ID",
        help="What looks like an exemplar of the collection; may be repeated.",
        rich_help_panel=_PANEL,
    ),
]
NameFile = Annotated[
    Path | None,
    typer.Option(
        "--find-file",
        metavar="FILE",
        help="Names to find, one a line.",
        exists=True,
        dir_okay=False,
        rich_help_panel=_PANEL,
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--find-threshold",
        min=0,
        max=1,
        help="Least score of what counts as found, in place of the detector's own.",
        rich_help_panel=_PANEL,
    ),
]
Overlap = Annotated[
    float | None,
    typer.Option(
        "--find-overlap",
        min=0,
        max=1,
        help="Where regions of different prompts overlap by more than this, keep the best.",
        rich_help_panel=_PANEL,
    ),
]
Tiles = Annotated[
    bool | None,
    typer.Option(
        "--tiles/--no-tiles",
        help="Look at the parts of a picture as well, for small things; unless said, where it is large.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]

MaskFormat = Annotated[
    Literal["rle", "polygons"],
    typer.Option(help="What outlines are in JSON: run lengths, or polygons.", rich_help_panel=_PANEL),
]


def prompts_of(
    names: list[str] | None,
    phrases: list[str] | None,
    sentences: list[str] | None,
    exemplars: list[str] | None,
    file: Path | None,
) -> tuple[Prompt, ...]:
    """Return what to look for, each once: names, then phrases, sentences and exemplars, each in order."""
    given = names or []
    if phrase_like := next((each for each in given if each.lower().startswith(_ARTICLES)), ""):
        say(f"{phrase_like!r} is looked for as a name; --find-phrase minds colours, places and numbers")
    listed = [*given, *_lines(file)]
    kinds: tuple[tuple[Literal["name", "phrase", "sentence", "exemplar"], list[str]], ...] = (
        ("name", listed),
        ("phrase", phrases or []),
        ("sentence", sentences or []),
        ("exemplar", exemplars or []),
    )
    return tuple(dict.fromkeys(Prompt(text.strip(), kind) for kind, texts in kinds for text in texts))


def find_of(
    threshold: float | None,
    overlap: float | None,
    *,
    tiles: bool | None,
    mask_format: Literal["rle", "polygons"],
) -> Find:
    """Return how to look."""
    return Find(threshold=threshold, overlap=overlap, tiles=tiles, mask_format=mask_format)


def refuse_both(boxes: list[str] | None, prompts: tuple[Prompt, ...]) -> None:
    """Raise typer.BadParameter where boxes are given and found as well."""
    if boxes and prompts:
        raise typer.BadParameter("choose one of --box and --find: regions are given, or they are found")


def _lines(file: Path | None) -> list[str]:
    """Return the lines that are not blank. Raises typer.BadParameter if it is no text."""
    if file is None:
        return []
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeError as error:
        raise typer.BadParameter(f"{file} is no text in UTF-8: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]
