"""`python -m fovea` is the command `fovea`."""

from __future__ import annotations

from fovea.cli import main

if __name__ == "__main__":
    main()
