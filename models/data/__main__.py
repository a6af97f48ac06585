"""Fetches data sets into the cache: `python -m models.data [SET …]`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from models.data.cache import cache_folder
from models.data.catalogue import SETS, fetch
from models.data.manifest import MANIFEST, DataError
from models.files import digest


def main() -> int:
    """Fetch what is asked for, or everything, and say what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; none: all")
    wanted = parser.parse_args().sets or list(SETS)
    unknown = [name for name in wanted if name not in SETS]
    if unknown:
        parser.error(f"no set is called {', '.join(unknown)}; there are {', '.join(SETS)}")
    for name in wanted:
        try:
            found = fetch(name)
        except DataError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        splits = Counter(row.split for row in found.rows)
        said = ", ".join(f"{count:,} {split}" for split, count in sorted(splits.items()))
        print(f"{name}: {len(found):,} pictures ({said}); manifest {digest(found.folder / MANIFEST)[:12]}")
    print(f"in {cache_folder()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
