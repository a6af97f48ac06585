"""Fovea recognises fine-grained things in images.

    >>> import fovea
    >>> with fovea.Client() as client:
    ...     client.teach_name("goldfinch")
    ...     print(client.recognize("bird.jpg").best)

Importing this package is cheap: the client and gRPC are loaded when a name is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fovea.client import (
        Between,
        Box,
        Client,
        Collection,
        Exemplar,
        Find,
        FoveaError,
        Lesson,
        Mask,
        Options,
        Picture,
        Prompt,
        Recognition,
        Retention,
        SpaceVote,
        Status,
        VectorColumn,
    )

__all__ = [
    "Between",
    "Box",
    "Client",
    "Collection",
    "Exemplar",
    "Find",
    "FoveaError",
    "Lesson",
    "Mask",
    "Options",
    "Picture",
    "Prompt",
    "Recognition",
    "Retention",
    "SpaceVote",
    "Status",
    "VectorColumn",
]


def __getattr__(name: str) -> Any:
    """Load the client when one of its names is first asked for."""
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("fovea")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("fovea.client"), name)


def __dir__() -> list[str]:
    """Name what `__getattr__` can load as well."""
    return sorted({*globals(), *__all__, "__version__"})
