"""`fovea memory versions` and `queries`: look before, and be able to go back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from fovea.cli.access import Access, command
from fovea.cli.exits import ExitCode
from fovea.cli.sheets import Column, CsvFlag, Form, JsonFlag, chosen_form, open_sheet, write_json
from fovea.cli.terminal import complain, counted, progress, say
from fovea.client import Applied, Comparison, MemoryVersion, QuerySet, RecognizedQuery, Share

_VERSIONS: Final = (
    Column("name"),
    Column("created_at"),
    Column("exemplars", number=True),
    Column("labels", number=True),
    Column("description"),
)
_QUERY_SETS: Final = (
    Column("name"),
    Column("created_at"),
    Column("queries", number=True),
    Column("labelled", number=True),
    Column("description"),
)
_CHANGED: Final = (
    Column("query_id", whole=True),
    Column("right_label"),
    Column("before"),
    Column("before_score", number=True),
    Column("after"),
    Column("after_score", number=True),
    Column("verdict"),
)
Name = Annotated[str, typer.Argument(help="Letters, digits, `.`, `_`, `-`.")]
Description = Annotated[str, typer.Option(help="What it is, for people.")]
Queries = Annotated[str, typer.Option("--queries", metavar="NAME", help="The query set that is asked.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what would be done.")]


def add_to(group: typer.Typer) -> None:
    """Add the commands to those of `fovea memory`."""
    versions = typer.Typer(no_args_is_help=True, help="Keep, compare and bring back states of the memory.")
    group.add_typer(versions, name="versions")
    command(versions, "fovea memory versions keep before-import", name="keep")(keep)
    command(versions, "fovea memory versions list", name="list")(list_versions)
    command(
        versions,
        "fovea memory versions compare before-import --queries gold",
        "fovea memory versions compare spring summer --queries gold --csv",
        name="compare",
    )(compare)
    command(
        versions,
        "fovea memory versions revert before-import --dry-run",
        "fovea memory versions revert before-import",
        name="revert",
    )(revert)
    command(versions, "fovea memory versions delete before-import", name="delete")(delete)
    queries = typer.Typer(no_args_is_help=True, help="Keep the questions that states are compared by.")
    group.add_typer(queries, name="queries")
    command(
        queries,
        "fovea memory queries keep gold --per-label 2",
        "fovea memory queries keep hard --recognition 4f0c…=goldfinch",
        name="keep",
    )(keep_queries)
    command(queries, "fovea memory queries list", name="list")(list_query_sets)
    command(queries, "fovea memory queries delete gold", name="delete")(delete_query_set)


def keep(access: Access, name: Name, *, description: Description = "", json_lines: JsonFlag = False) -> None:
    """Keep the memory as it stands under a name, to look at it and to go back to it later."""
    form = chosen_form(json_lines=json_lines)
    with access.client() as client:
        version = client.keep_version(name, description=description)
    if form is Form.JSON:
        write_json(version)
    else:
        held = f"{counted(version.exemplars, 'exemplar')} of {counted(version.labels, 'label')}"
        say(f"kept {held} as {version.name}")


def list_versions(access: Access, *, json_lines: JsonFlag = False, csv_lines: CsvFlag = False) -> None:
    """List the versions of the collection, the oldest first."""
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    with access.client() as client, open_sheet(form, _VERSIONS) as sheet:
        for version in client.versions():
            sheet.add(_version_row(version), version)


def compare(
    access: Access,
    before: Annotated[str, typer.Argument(help="A version.")],
    after: Annotated[str, typer.Argument(help="Another; without it, the memory as it stands.")] = "",
    *,
    queries: Queries,
    json_lines: JsonFlag = False,
    csv_lines: CsvFlag = False,
) -> None:
    """Ask two states of the memory the same questions, and list the answers that differ.

    An empty answer is *unknown*. Of queries with a right label it is counted how many are answered with it.
    """
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    with access.client() as client:
        compared = client.compare(queries, before=before, after=after)
    show_comparison(compared, form)


def revert(access: Access, name: Name, *, dry_run: DryRun = False, json_lines: JsonFlag = False) -> None:
    """Make the memory what a version is. What was erased stays away.

    What was taught since is forgotten, and what was forgotten or changed since is as it was. If it breaks
    off, run it again: it does the rest.
    """
    form = chosen_form(json_lines=json_lines)
    with access.client() as client:
        follow(client.revert(name, dry_run=dry_run), form, dry_run=dry_run)


def delete(access: Access, name: Name) -> None:
    """Keep a version no longer. The memory stays as it is."""
    with access.client() as client:
        client.delete_version(name)
    say(f"deleted the version {name}")


def keep_queries(
    access: Access,
    name: Name,
    *,
    per_label: Annotated[int, typer.Option(min=0, help="Exemplars to draw of every label.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same.")] = 0,
    exemplar: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="An exemplar; may be repeated.")
    ] = None,
    recognition: Annotated[
        list[str] | None,
        typer.Option(metavar="ID[=LABEL]", help="A recognition, with its right label; may be repeated."),
    ] = None,
    description: Description = "",
    json_lines: JsonFlag = False,
) -> None:
    """Keep questions under a name: exemplars, drawn or chosen, and pictures that were recognised.

    An exemplar never answers the question that is made of itself, and its label is the right one.
    """
    form = chosen_form(json_lines=json_lines)
    if not (per_label or exemplar or recognition):
        raise typer.BadParameter("name --per-label, --exemplar or --recognition")
    with access.client() as client:
        kept = client.keep_queries(
            name,
            per_label=per_label,
            seed=seed,
            exemplar_ids=exemplar or (),
            recognitions=[_recognized(each) for each in recognition or ()],
            description=description,
        )
    if form is Form.JSON:
        write_json(kept)
    else:
        queries = "query" if kept.queries == 1 else "queries"
        say(f"kept {kept.queries} {queries}, {kept.labelled} with a right label, as {kept.name}")


def list_query_sets(access: Access, *, json_lines: JsonFlag = False, csv_lines: CsvFlag = False) -> None:
    """List the query sets of the collection, the oldest first."""
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    with access.client() as client, open_sheet(form, _QUERY_SETS) as sheet:
        for queries in client.query_sets():
            sheet.add(_queries_row(queries), queries)


def delete_query_set(access: Access, name: Name) -> None:
    """Keep questions no longer."""
    with access.client() as client:
        client.delete_query_set(name)
    say(f"deleted the query set {name}")


def show_comparison(compared: Comparison, form: Form) -> None:
    """Show the answers that differ, and for people how many do not."""
    with open_sheet(form, _CHANGED) as sheet:
        for each in compared.changed:
            before, after = each.before, each.after
            row = (f"{before.score:.2f}", after.label, f"{after.score:.2f}", each.verdict)
            sheet.add((each.query_id, each.right_label, before.label, *row), each)
    if form is not Form.TABLE:
        return
    say(f"same answer: {_share(compared.same)}")
    if compared.right_before.of:
        say(f"right before: {_share(compared.right_before)}")
        turned = f"{compared.mended} mended, {compared.broken} broken"
        say(f"right after:  {_share(compared.right_after)}; {turned}")


def _share(share: Share) -> str:
    reach = f"95 % interval {share.low:.1%} to {share.high:.1%}"
    return f"{share.share:.1%} ({reach}, n = {share.of})"


def follow(steps: Iterator[Applied], form: Form, *, dry_run: bool) -> None:
    """Show how far it is, and the whole at last."""
    applied = Applied()
    with progress("changing", None, shown=form.leaves_room) as show:
        for applied in steps:
            show(applied.restored + applied.forgotten + applied.failed)
    if form is Form.JSON:
        write_json(applied)
    else:
        would = "would be " if dry_run else ""
        back = f"{counted(applied.restored, 'exemplar')} {would}brought back"
        say(f"{back}, {applied.forgotten} {would}forgotten")
    if applied.failure is not None:
        complain(f"{counted(applied.failed, 'exemplar')} could not be brought back", applied.failure)
        raise typer.Exit(ExitCode.SOME_FAILED)


def _recognized(text: str) -> RecognizedQuery:
    recognition_id, _, label = text.partition("=")
    return RecognizedQuery(recognition_id, label)


def _version_row(version: MemoryVersion) -> tuple[Any, ...]:
    created = version.created_at.isoformat(timespec="seconds")
    return version.name, created, version.exemplars, version.labels, version.description


def _queries_row(queries: QuerySet) -> tuple[Any, ...]:
    created = queries.created_at.isoformat(timespec="seconds")
    return queries.name, created, queries.queries, queries.labelled, queries.description
