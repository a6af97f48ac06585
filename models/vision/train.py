"""Trains the encoders that ship: `python -m models.vision.train global|fold|local …`."""

from __future__ import annotations

import argparse
import importlib

COMMANDS = {
    "global": "models.vision.global_encoder.train",
    "fold": "models.vision.global_encoder.train",
    "local": "models.vision.local_encoder.train",
}


def main() -> None:
    """Hand the rest of the command line to what trains the encoder that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoder", choices=COMMANDS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="its own; --help lists them")
    chosen = parser.parse_args()
    importlib.import_module(COMMANDS[chosen.encoder]).main(chosen.arguments)


if __name__ == "__main__":
    main()
