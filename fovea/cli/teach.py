"""`fovea teach`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from fovea.cli.access import Access, command
from fovea.cli.known import Known, loaded
from fovea.cli.lessons import Planned, left_out, planned_from_path, planned_texts
from fovea.cli.sheets import Form, JsonFlag, chosen_form, write_json
from fovea.cli.tally import Tally
from fovea.cli.terminal import counted, progress, say
from fovea.client import Client, Lesson, Taught


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "fovea teach birds/                        one sub-folder for each label",
        "fovea teach birds.csv                     columns path,label; all others are attributes",
        "fovea teach names.csv                     a column name: classes without a picture",
        "fovea teach --name goldfinch --name wren  the same for a few",
        "fovea teach a.jpg b.jpg --label goldfinch",
        'fovea teach --label goldfinch --attribute "red face, yellow wing bar"',
        panel="Memory",
    )(teach)


def teach(
    access: Access,
    sources: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR|CSV|PICTURE]...", help="Folders, tables, or pictures with --label."),
    ] = None,
    *,
    name: Annotated[
        list[str] | None, typer.Option(help="Teach a class by its name; may be repeated.")
    ] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(help="Teach what one sees on --label; may be repeated.")
    ] = None,
    label: Annotated[str, typer.Option(help="What all pictures, names and attributes given here show.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Send what the server knows already, too.")] = False,
    json_lines: JsonFlag = False,
) -> None:
    """Teach classes by pictures, names or attributes. No training: they can be recognised at once.

    Running it again sends only what is new, so an interrupted run is simply run again. A bad file is
    reported and counted, and the rest goes on. In a table, `true` and `false` are flags, 12.5 is a number,
    and a column `box` (LEFT,TOP,RIGHT,BOTTOM) tells the part of the picture that counts.
    """
    form = chosen_form(json_lines=json_lines)
    planned = _planned(sources or [], name or [], attribute or [], label)
    with access.client() as client:
        known = Known([] if again else client.exemplars())
        tally = Tally("taught")
        with progress("teaching", len(planned), shown=form.leaves_room) as show:
            for source, taught in _taught(client, planned, known, tally):
                tally.count(source, taught.failure)
                show(tally.seen)
                if form is Form.JSON:
                    write_json({"source": source, "label": taught.lesson.label} | _outcome(taught))
    tally.finish()


def _planned(sources: list[Path], names: list[str], attributes: list[str], label: str) -> list[Planned]:
    planned = [one for path in sources for one in planned_from_path(path, label=label)]
    planned += planned_texts(names, attributes, label=label)
    ignored = sum(left_out(path) for path in sources if path.is_dir())
    if ignored:
        say(f"left out {counted(ignored, 'file')} not named as a picture is")
    if not planned:
        raise typer.BadParameter("there is nothing to teach: name a folder, a table or a --name")
    return planned


def _taught(
    client: Client, planned: list[Planned], known: Known, tally: Tally
) -> Iterator[tuple[str, Taught]]:
    """Yield what became of each new lesson, with its source."""
    sources: deque[str] = deque()

    def lessons() -> Iterator[Lesson]:
        for one in planned:
            lesson = loaded(one.lesson)
            if lesson in known:
                tally.skip()
            else:
                sources.append(one.source)
                yield lesson

    for taught in client.teach(lessons()):
        yield sources.popleft(), taught


def _outcome(taught: Taught) -> dict[str, object]:
    return {
        "exemplar_id": taught.exemplar_id,
        "memory_version": taught.memory_version,
        "failure": taught.failure,
    }
