"""What encoding does."""

from services.encoding.usecases.encode import (
    SPACE_MISSING,
    EncodedRegions,
    EncodedTexts,
    EncodeRegions,
    EncodeTexts,
    Pace,
    Stages,
)
from services.encoding.usecases.exemplar import EncodeExemplar
from services.encoding.usecases.eyes import Eyes
from services.encoding.usecases.recent import RecentChanges
from services.encoding.usecases.restore import RestoreExemplar
from services.encoding.usecases.sharing import Once, Turns

__all__ = [
    "SPACE_MISSING",
    "EncodeExemplar",
    "EncodeRegions",
    "EncodeTexts",
    "EncodedRegions",
    "EncodedTexts",
    "Eyes",
    "Once",
    "Pace",
    "RecentChanges",
    "RestoreExemplar",
    "Stages",
    "Turns",
]
