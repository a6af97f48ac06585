"""Measures the models that ship: `make eval` writes docs/quality.md and its plots.

`encoders`, `finding` or `ranking` measures one part alone; the others stay as they are on the page.

With `--manifest FOLDER` a data set of your own is asked instead, and the tables are printed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from models.data.manifest import DataError, read
from models.evaluation.detection.report import page as finding
from models.evaluation.detection.suite import SCENES
from models.evaluation.detection.suite import Suite as DetectionSuite
from models.evaluation.encoders import NoSuchModel
from models.evaluation.folds import CannotTrain
from models.evaluation.own import report
from models.evaluation.ranking.report import page as ranking
from models.evaluation.ranking.suite import HEARD, QUESTIONS
from models.evaluation.ranking.suite import Suite as RankingSuite
from models.evaluation.report import page
from models.evaluation.suite import Suite

_ENCODERS: Final = "encoders"
_FINDING: Final = "finding"
_RANKING: Final = "ranking"
_PARTS: Final = (_ENCODERS, _FINDING, _RANKING)
_DOCS: Final = Path(__file__).parents[2] / "docs"


def main() -> int:
    """Measure, and write or print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="?", choices=("all", *_PARTS), default="all", help="of the page")
    parser.add_argument(
        "--manifest", type=Path, metavar="FOLDER", help="a set of your own: see docs/quality.md"
    )
    parser.add_argument("--without-folds", action="store_true", help="leave out what has to be trained first")
    parser.add_argument(
        "--scenes", type=int, default=SCENES, metavar="N", help="of each set that things are found in"
    )
    parser.add_argument(
        "--questions", type=int, default=QUESTIONS, metavar="N", help="of each row that is ranked"
    )
    parser.add_argument(
        "--heard", type=int, default=HEARD, metavar="N", help="of these, for the language model as well"
    )
    parser.add_argument(
        "--docs", type=Path, default=_DOCS, metavar="FOLDER", help="where the page is written"
    )
    asked = parser.parse_args()
    began = time.perf_counter()
    try:
        if asked.manifest is not None:
            print(report(read(asked.manifest)))
            return 0
        if asked.part in ("all", _ENCODERS):
            page.write(Suite(with_folds=not asked.without_folds).run(), asked.docs)
        if asked.part in ("all", _FINDING):
            finding.write(DetectionSuite(asked.scenes).run(), asked.docs)
        if asked.part in ("all", _RANKING):
            ranking.write(RankingSuite(asked.questions, asked.heard).run(), asked.docs)
    except (DataError, NoSuchModel, CannotTrain) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{asked.docs / 'quality.md'} after {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
