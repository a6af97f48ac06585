"""All services as one process, with ranking that takes its time over each image."""

from __future__ import annotations

import sys
from typing import Any

from services.allinone import __main__ as allinone
from services.ranking.assembly import assemble
from services.runtime.main import exit_code_of
from tests.chaos.slow_ranking import slow


def main() -> None:
    """Run until told to stop."""

    def assemble_slow(*given: Any, **named: Any) -> Any:
        return slow(assemble(*given, **named))

    vars(allinone)["assemble_ranking"] = assemble_slow
    allinone.main()


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
