"""What encoding does."""

from services.encoding.usecases.encode import (
    EncodedRegions,
    EncodedTexts,
    EncodeExemplar,
    EncodeRegions,
    EncodeTexts,
    Pace,
    Stages,
)
from services.encoding.usecases.restore import RestoreExemplar
from services.encoding.usecases.sharing import Once, Turns

__all__ = [
    "EncodeExemplar",
    "EncodeRegions",
    "EncodeTexts",
    "EncodedRegions",
    "EncodedTexts",
    "Once",
    "Pace",
    "RestoreExemplar",
    "Stages",
    "Turns",
]
