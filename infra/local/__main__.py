"""Real servers without containers: `python -m infra.local install|up|down|logs`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from infra.local import stack
from infra.local.daemons import LocalError

_COMMANDS: Final[dict[str, Callable[[Path], None]]] = {
    "install": stack.install,
    "up": stack.up,
    "down": stack.down,
    "logs": stack.logs,
}


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument("command", choices=list(_COMMANDS))
    parser.add_argument("--folder", type=Path, default=Path("build/local"), help="data, logs and pids")
    given = parser.parse_args()
    try:
        _COMMANDS[given.command](given.folder.absolute())
    except LocalError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
