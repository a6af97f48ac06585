"""The command line `fovea`: one module for each group of commands."""

from __future__ import annotations


def main() -> None:
    """Run the command line; it ends the process with an exit code of `fovea.cli.exits`."""
    from fovea.cli.app import app  # noqa: PLC0415  (keeps `import fovea.cli` free of typer and gRPC)

    app()
