"""`fovea recognize` and `fovea recognition`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from fovea.cli import answers
from fovea.cli.access import Access, command
from fovea.cli.files import expanded
from fovea.cli.finding import (
    Exemplars,
    MaskFormat,
    NameFile,
    Names,
    Overlap,
    Phrases,
    Sentences,
    Threshold,
    Tiles,
    find_of,
    prompts_of,
    refuse_both,
)
from fovea.cli.lessons import parsed_box
from fovea.cli.sheets import CsvFlag, Form, JsonFlag, chosen_form, open_sheet
from fovea.cli.tally import Tally
from fovea.cli.terminal import out, progress
from fovea.client import (
    Client,
    Corrupt,
    InvalidInput,
    Options,
    Picture,
    Recognition,
    ServerFault,
)

Paths = Annotated[list[Path], typer.Argument(metavar="PATH...", help="Pictures, or folders of pictures.")]
Boxes = Annotated[
    list[str] | None,
    typer.Option("--box", metavar="L,T,R,B", help="A region in pixels, in every picture; may be repeated."),
]
Size = Annotated[int | None, typer.Option(min=1, max=100, help="Most labels per region.")]


_WIDE: Final = 110


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(
        app,
        "fovea recognize bird.jpg",
        "fovea recognize flock.jpg --box 10,20,200,220 --box 300,40,420,260 --size 3",
        "fovea recognize shelf.jpg --find bottle --find 'traffic light' --find-phrase 'the cup on the left'",
        "fovea recognize photos/ --stream --csv > answers.csv",
        "fovea recognize photos/ --json | jq .best",
        panel="Recognition",
    )(recognize)
    command(
        app, "fovea recognition 4f0c…", "fovea recognition 4f0c… --json | jq .stages", panel="Recognition"
    )(recognition)


def recognize(
    access: Access,
    paths: Paths,
    *,
    box: Boxes = None,
    find: Names = None,
    phrase: Phrases = None,
    sentence: Sentences = None,
    exemplar: Exemplars = None,
    find_file: NameFile = None,
    threshold: Threshold = None,
    overlap: Overlap = None,
    tiles: Tiles = None,
    mask_format: MaskFormat = "rle",
    size: Size = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Send all over one stream: faster for many pictures.")
    ] = False,
    json_lines: JsonFlag = False,
    csv_lines: CsvFlag = False,
) -> None:
    """Recognise pictures and print the answers in the order of the paths.

    A picture is recognised as a whole; or each --box of it is; or whatever is found by --find and the like,
    with its outline.
    """
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    prompts = prompts_of(find, phrase, sentence, exemplar, find_file)
    refuse_both(box, prompts)
    regions = [parsed_box(text) for text in box or []]
    found = expanded(paths)
    tally = Tally("recognised")
    with access.client() as client:
        pictures = [Picture(path, regions) for path in found]
        options = Options(
            size=size, prompts=prompts, find=find_of(threshold, overlap, tiles=tiles, mask_format=mask_format)
        )
        recognised = (
            client.recognize_many(pictures, options=options) if stream else _each(client, pictures, options)
        )
        shown = form.leaves_room and len(found) > 1
        counted = _counted(recognised, tally, total=len(found), shown=shown)
        layout = print_as(form, regions=len(regions), prompts=len(prompts))
        print_answers(counted, layout, in_detail=len(found) == 1)
    if len(found) > 1 and form is Form.TABLE:
        tally.finish()
    tally.check()


def recognition(
    access: Access,
    recognition_id: Annotated[str, typer.Argument(help="As an answer or a receipt gave it.")],
    *,
    json_lines: JsonFlag = False,
    csv_lines: CsvFlag = False,
) -> None:
    """Show the record of a recognition that has ended."""
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    tally = Tally("recognised")
    with access.client() as client:
        answer = client.recognition(recognition_id)
    tally.count(recognition_id, answer.failure)
    print_answers([answer], print_as(form), in_detail=True)
    tally.check()


def print_as(form: Form, *, regions: int = 0, prompts: int = 0) -> answers.Layout:
    """Return how to lay out answers: several regions get a column, and so does what found them."""
    wide = out().width >= _WIDE
    return answers.Layout(form, several=regions > 1 or prompts > 0, found=prompts > 0, wide=wide)


def print_answers(
    recognised: Iterable[Recognition], layout: answers.Layout, *, in_detail: bool = False
) -> None:
    """Print answers as they come, or one of them in detail."""
    if in_detail and layout.form is Form.TABLE:
        for answer in recognised:
            answers.show_in_detail(answer)
        return
    with open_sheet(layout.form, layout.columns) as sheet:
        for answer in recognised:
            for row in layout.rows(answer):
                sheet.add(row, answer)


def _each(client: Client, pictures: Iterable[Picture], options: Options) -> Iterator[Recognition]:
    """Recognise one after the other; a bad picture gives an answer that has failed."""
    for picture in pictures:
        try:
            yield client.recognize(picture.image, regions=picture.regions, options=options)
        except (InvalidInput, Corrupt, ServerFault) as error:
            yield Recognition("", failure=error, source=str(picture.image))


def _counted(
    recognised: Iterable[Recognition], tally: Tally, *, total: int, shown: bool
) -> Iterator[Recognition]:
    """Yield the answers, counted; the bar is gone when the last has been taken."""
    with progress("recognising", total, shown=shown) as show:
        for answer in recognised:
            tally.count(answer.source, answer.failure)
            show(tally.seen)
            yield answer
