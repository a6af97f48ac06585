"""`fovea memory export` and `import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from fovea.cli.access import Access, command
from fovea.cli.tally import Tally
from fovea.cli.terminal import counted, progress, say
from fovea.client import FoveaError, VectorColumn

_OF_ALL_ROWS: Final = {"UNKNOWN_ENCODER", "DIMENSION_MISMATCH"}
"""What is wrong with every row of a file if it is wrong with one."""


def add_to(group: typer.Typer) -> None:
    """Add the commands to those of `fovea memory`."""
    command(
        group,
        "fovea memory export birds.parquet --collection birds",
        "duckdb -c \"select label, count(*) from 'birds.parquet' group by label\"",
        name="export",
    )(export_parquet)
    command(
        group,
        "fovea memory import birds.parquet --collection birds",
        "fovea memory import ours.parquet --space visual --encoder NAME@DIGEST --vector features",
        name="import",
    )(import_parquet)


def export_parquet(
    access: Access, file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to: birds.parquet.")]
) -> None:
    """Write every exemplar with its embeddings into a Parquet file, for an import or for table tools.

    One row an exemplar: exemplar_id, label, kind, text, attributes, image, region, and one column of vectors
    for each encoder, such as embedding_visual. The file is there when it is complete, or not at all. Pictures
    are not in it.
    """
    with access.client() as client, progress("exporting", None) as show:
        written = client.export_parquet(file, shown=show)
    say(f"wrote {counted(written, 'exemplar')} to {file}")


def import_parquet(
    access: Access,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As `export` wrote it, or another tool.")],
    *,
    space: Annotated[
        str, typer.Option(help="Of a file by another tool: `visual` for pictures, `name` for texts.")
    ] = "",
    encoder: Annotated[
        str, typer.Option(metavar="NAME@DIGEST", help="Of such a file: the model that made its vectors.")
    ] = "",
    vector: Annotated[str, typer.Option(metavar="COLUMN", help="Of such a file: where they are.")] = "vector",
) -> None:
    """Take the exemplars of a Parquet file, with their embeddings: at once, and without any picture.

    Rows keep their ids, so running it again changes nothing, and an interrupted run is simply run again. A
    bad row is reported and counted, and the rest goes on.

    A file by another tool needs a column label and one of vectors; exemplar_id, text, kind and attributes are
    read if they are there. An encoder that the server does not run is refused, and told which ones it runs.
    """
    if bool(space) != bool(encoder):
        raise typer.BadParameter("name both --space and --encoder, or neither")
    vectors = VectorColumn(space, encoder, vector) if encoder else None
    tally = Tally("imported")
    with access.client() as client, progress("importing", None) as show:
        for row in client.import_parquet(file, vectors=vectors, shown=show):
            _require_another_chance(row.failure)
            tally.count("", row.failure)
    tally.finish(f" from {file}")


def _require_another_chance(failure: FoveaError | None) -> None:
    """Raise the failure if all other rows would fail for the same reason."""
    if failure is not None and failure.reason in _OF_ALL_ROWS:
        raise failure
