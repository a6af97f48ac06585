"""The folder of all models: `<root>/<name>/<version>/`."""

from __future__ import annotations

import re
from pathlib import Path

from services.kernel.errors import NotFound
from services.runtime.model_execution.folder import ModelFolder


class ModelStore:
    """Finds model folders.

    Args:
        root: The folder that has one folder a model.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> tuple[str, ...]:
        """Return what models there are, in order of name."""
        return tuple(sorted({path.parent.parent.name for path in self._root.glob("*/*/model.toml")}))

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a model, oldest first; 10 comes after 9."""
        found = (path.parent.name for path in (self._root / name).glob("*/model.toml"))
        return tuple(sorted(found, key=_by_number))

    def open(self, name: str, version: str = "") -> ModelFolder:
        """Return a model, its newest version unless one is named.

        Raises:
            NotFound: There is no such model; the message names those that there are.
            Corrupt: Its files are not what it says.
        """
        versions = self.versions(name) if name in self.names() else ()
        if not versions or (version and version not in versions):
            wanted = f"{name}/{version}" if version else name
            known = ", ".join(self.names()) or "none"
            raise NotFound(
                f"there is no model {wanted} in {self._root}; there are: {known}", reason="NO_MODEL"
            )
        return ModelFolder(self._root / name / (version or versions[-1]))


def _by_number(version: str) -> list[tuple[bool, int, str]]:
    """Order numbers as numbers and the rest as text."""
    parts = re.findall(r"\d+|\D+", version)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
