"""What segmentation does."""

from services.segmentation.usecases.find import FindRegions, Found, Passes
from services.segmentation.usecases.look import Look, Pace
from services.segmentation.usecases.maps import DrawMaps, DrawnMap, DrawnMaps, MapKind, MapOrder
from services.segmentation.usecases.propose import Proposal, ProposeRegions, Wish
from services.segmentation.usecases.second import SecondLooks
from services.segmentation.usecases.stages import Stages
from services.segmentation.usecases.vectors import ExemplarKey, Exemplars, PromptVectors, Row, Rows, StackKey

__all__ = [
    "DrawMaps",
    "DrawnMap",
    "DrawnMaps",
    "ExemplarKey",
    "Exemplars",
    "FindRegions",
    "Found",
    "Look",
    "MapKind",
    "MapOrder",
    "Pace",
    "Passes",
    "PromptVectors",
    "Proposal",
    "ProposeRegions",
    "Row",
    "Rows",
    "SecondLooks",
    "StackKey",
    "Stages",
    "Wish",
]
