"""The command line put together: commands, the options they share, and how they end."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from fovea.cli import (
    attributes,
    care,
    collection,
    dead_letters,
    doctor,
    evaluate,
    explain,
    export,
    memory,
    models,
    recognize,
    serve,
    submit,
    teach,
    watch,
)
from fovea.cli.access import Access, CollectionName, Target, Tenant, Timeout, examples
from fovea.cli.exits import EXIT_CODES, ExitCode, exit_code
from fovea.cli.terminal import complain, say
from fovea.client import FoveaError, InvalidInput, Unavailable

_EXAMPLES: Final = (
    "fovea serve                     start a server (in another terminal)",
    "fovea teach birds/              one sub-folder for each label",
    "fovea teach --name goldfinch    or a class by its name alone",
    "fovea recognize bird.jpg        a named and explained answer",
    "fovea doctor                    if something does not work",
)


class Commands(TyperGroup):
    """Turns errors into a line for people and an exit code for programs."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what a user can cause never shows a traceback."""
        try:
            return super().invoke(ctx)
        except FoveaError as error:
            complain("", error)
            if isinstance(error, Unavailable) and error.reason == "UNREACHABLE":
                say("Start one with `fovea serve`, or name one with --target; `fovea doctor` looks closer.")
            raise typer.Exit(exit_code(error)) from error
        except KeyboardInterrupt:
            say("interrupted")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except UnicodeEncodeError as error:
            complain("", InvalidInput(f"{error.object!r} is not valid Unicode", reason="VALUE_INVALID"))
            raise typer.Exit(ExitCode.USAGE) from error
        except BrokenPipeError:
            raise  # nobody reads any more: typer ends quietly
        except OSError as error:
            complain(str(error.filename or ""), InvalidInput(str(error.strerror or error), reason="FILE"))
            raise typer.Exit(ExitCode.USAGE) from error


app = typer.Typer(
    name="fovea",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=examples(*_EXAMPLES) + f"\n\n{EXIT_CODES}",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:  # noqa: FBT001  (typer's callback)
    if asked:
        typer.echo(f"fovea {importlib.metadata.version('fovea')}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    *,
    target: Target = None,
    tenant: Tenant = None,
    collection: CollectionName = None,
    timeout: Timeout = None,
    version: Annotated[  # noqa: ARG001  (its callback does the work)
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Fovea recognises fine-grained things in images: teach a class with one picture or a name."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file name may hold what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    ctx.obj = Access().changed(target, tenant, collection, timeout)


for _group in (
    serve,
    teach,
    recognize,
    evaluate,
    submit,
    watch,
    explain,
    memory,
    care,
    attributes,
    export,
    collection,
    dead_letters,
    models,
    doctor,
):
    _group.add_to(app)
