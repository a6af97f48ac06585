"""Whom a command talks to, and how a command is added: with the connection's options and examples."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

import typer

from fovea.client import DEFAULT_TARGET, Client

_PANEL: Final = "Connection"

Target = Annotated[
    str | None,
    typer.Option(
        "--target", metavar="HOST:PORT", help="The server.", envvar="FOVEA_TARGET", rich_help_panel=_PANEL
    ),
]
Tenant = Annotated[
    str | None,
    typer.Option("--tenant", help="Whose collections.", envvar="FOVEA_TENANT", rich_help_panel=_PANEL),
]
CollectionName = Annotated[
    str | None,
    typer.Option("--collection", help="Which memory.", envvar="FOVEA_COLLECTION", rich_help_panel=_PANEL),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.001,
        help="Deadline of a call.",
        envvar="FOVEA_TIMEOUT_S",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True)
class Access:
    """Whom commands talk to."""

    target: str = DEFAULT_TARGET
    tenant: str = "default"
    collection: str = "default"
    timeout_s: float = 30.0

    def changed(
        self, target: str | None, tenant: str | None, collection: str | None, timeout: float | None
    ) -> Access:
        """Return it with what was given on the command line."""
        return replace(
            self,
            target=target or self.target,
            tenant=tenant or self.tenant,
            collection=collection or self.collection,
            timeout_s=timeout or self.timeout_s,
        )

    def client(self) -> Client:
        """Return a client; it connects when it is first used."""
        return Client(self.target, tenant=self.tenant, collection=self.collection, timeout_s=self.timeout_s)


def command(
    app: typer.Typer, *lines: str, panel: str | None = None, name: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a function as a command: its first argument is the Access, its help ends with the examples.

    The connection's options may stand before or behind the command's name.
    """

    def add(function: Callable[..., None]) -> Callable[..., None]:
        explained = inspect.getdoc(function) or ""
        app.command(name, help=_flowing(explained), epilog=examples(*lines), rich_help_panel=panel)(
            _with_access(function)
        )
        return function

    return add


def examples(*lines: str) -> str:
    """Return the text below a command's help."""
    return "\n".join(["[bold]Examples[/bold]", *(line.replace("[", r"\[") for line in lines)])


def _flowing(text: str) -> str:
    """Return the text with one line a paragraph, for the terminal to break."""
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in text.split("\n\n"))


def _with_access(function: Callable[..., None]) -> Callable[..., None]:
    """Return the function with the connection's options in its signature, which typer reads."""

    @functools.wraps(function)
    def called(ctx: typer.Context, **given: Any) -> None:
        options = [given.pop(name) for name in _OPTIONS]
        function((ctx.obj or Access()).changed(*options), **given)

    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    signature = inspect.Signature([context, *own, *_OPTIONS.values()])
    called.__signature__ = signature  # type: ignore[attr-defined]  # as inspect.signature reads it
    called.__annotations__ = {entry.name: entry.annotation for entry in signature.parameters.values()}
    return called


def _option(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


_OPTIONS: Final = {
    name: _option(name, annotation)
    for name, annotation in (
        ("target", Target),
        ("tenant", Tenant),
        ("collection", CollectionName),
        ("timeout", Timeout),
    )
}
