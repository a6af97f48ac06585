"""`fovea export`."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from fovea.cli.access import Access, command
from fovea.cli.sheets import as_record, json_line
from fovea.cli.terminal import counted, progress, say
from fovea.client import Exemplar


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "fovea export birds.jsonl --collection birds",
        "fovea export - --no-embeddings | gzip > birds.jsonl.gz",
        panel="Memory",
    )(export)


def export(
    access: Access,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; `-` is standard output.")],
    *,
    embeddings: Annotated[bool, typer.Option(help="Write the embeddings too.")] = True,
) -> None:
    """Write every exemplar as one line of JSON; the file is there when it is complete, or not at all.

    For a file that can be imported again, or that a table tool reads, see `fovea memory export`.
    """
    with access.client() as client, _opened(file) as (target, shown):
        total = sum(count.exemplars for count in client.labels()) if shown and sys.stderr.isatty() else None
        with progress("exporting", total, shown=shown) as show:
            written = 0
            for line in _lines(client.export(), embeddings=embeddings):
                target.write(line)
                written += 1
                show(written)
    if shown:
        say(f"wrote {counted(written, 'exemplar')} to {file}")


def _lines(exemplars: Iterable[Exemplar], *, embeddings: bool) -> Iterator[str]:
    for exemplar in exemplars:
        record = as_record(exemplar)
        del record["embeddings"]
        if embeddings:
            record["embeddings"] = [
                # nine digits bring back every 32-bit float
                as_record(kept) | {"vector": [float(f"{number:.9g}") for number in kept.vector]}
                for kept in exemplar.embeddings
            ]
        yield json_line(record)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[TextIO, bool]]:
    """Yield what to write to, and whether that leaves standard output free."""
    if str(path) == "-":
        yield sys.stdout, False
        sys.stdout.flush()
        return
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as target:
            yield target, True
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
