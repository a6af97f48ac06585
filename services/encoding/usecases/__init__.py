"""What encoding does."""

from services.encoding.usecases.exemplar import EncodeExemplar
from services.encoding.usecases.eyes import Eyes
from services.encoding.usecases.maps import EncodedMaps, EncodeMaps, MapKey, MapPace, Maps, StoredMap
from services.encoding.usecases.readings import CropReading, DenseReading, Pace, WayOfReading
from services.encoding.usecases.recent import RecentChanges
from services.encoding.usecases.regions import SPACE_MISSING, EncodedRegions, EncodeRegions
from services.encoding.usecases.restore import RestoreExemplar
from services.encoding.usecases.stages import Stages
from services.encoding.usecases.texts import EncodedTexts, EncodeTexts, Readers

__all__ = [
    "SPACE_MISSING",
    "CropReading",
    "DenseReading",
    "EncodeExemplar",
    "EncodeMaps",
    "EncodeRegions",
    "EncodeTexts",
    "EncodedMaps",
    "EncodedRegions",
    "EncodedTexts",
    "Eyes",
    "MapKey",
    "MapPace",
    "Maps",
    "Pace",
    "Readers",
    "RecentChanges",
    "RestoreExemplar",
    "Stages",
    "StoredMap",
    "WayOfReading",
]
