"""`python -m models.importer import PATH` and `… shrink MODEL`, which `fovea models` calls."""

from __future__ import annotations

import argparse
import logging
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import models
from models.importer.measuring import table
from models.importer.pictures import EXAMPLES, Pictures
from models.importer.refusal import Refused
from models.importer.variants import KINDS
from models.importer.work import import_checkpoint, shrink

_STORE: Final = Path(models.__file__).parent / "store"
_REFUSED: Final = 2
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,47}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return 0, or 2 when it is refused, with the reason on stderr."""
    given = _arguments(arguments)
    # The exporter talks of its own inside, which is of no use to who imports a model.
    warnings.filterwarnings("ignore", category=UserWarning, module="torch")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        if given.command == "import":
            _import(given)
        else:
            _shrink(given)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return _REFUSED
    return 0


def _import(given: argparse.Namespace) -> None:
    name = given.name or re.sub(r"[^a-z0-9_.-]+", "-", given.path.resolve().name.lower()).strip("-._")
    if not _NAME.fullmatch(name):
        raise Refused(
            f"{name!r} is no name of a model: lower-case letters, digits, `.`, `_`, `-`; see --name"
        )
    towers = import_checkpoint(
        given.path, given.out, name=name, kinds=given.variant, pictures=Pictures.of(given.pictures)
    )
    for tower in towers:
        print(f"{given.out / tower.rows[0].name}: {tower.parity.words}")
        print(table(tower.rows, batch=tower.batch))


def _shrink(given: argparse.Namespace) -> None:
    if not (given.path / "model.toml").is_file():
        raise Refused(
            f"{given.path} has no model.toml; give the folder of a version, such as {_STORE}/NAME/1"
        )
    for kind in given.variant or KINDS:
        print(table(shrink(given.path, given.out, kind=kind, pictures=Pictures.of(given.pictures))))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.importer", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (("import", "folder of a checkpoint"), ("shrink", "folder of a model's version")):
        command = commands.add_parser(name)
        command.add_argument("path", type=Path, help=what)
        command.add_argument("--out", type=Path, default=_STORE, help="the model store")
        command.add_argument("--variant", action="append", choices=KINDS, default=[])
        command.add_argument("--pictures", type=Path, default=EXAMPLES)
        if name == "import":
            command.add_argument("--name", default="")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
