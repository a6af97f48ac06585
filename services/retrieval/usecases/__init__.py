"""What retrieval does."""

from services.retrieval.usecases.inspecting import AuditMemory, MineNegatives
from services.retrieval.usecases.listing import (
    ExportExemplars,
    LabelCounts,
    ListExemplars,
    Listing,
    ListLabels,
    Page,
)
from services.retrieval.usecases.recall import ENCODER_MISMATCH, NO_VOTE, Recall, Recalled, Voting
from services.retrieval.usecases.spaces import CompareSpaces, CountSpaces, SpaceCounts

__all__ = [
    "ENCODER_MISMATCH",
    "NO_VOTE",
    "AuditMemory",
    "CompareSpaces",
    "CountSpaces",
    "ExportExemplars",
    "LabelCounts",
    "ListExemplars",
    "ListLabels",
    "Listing",
    "MineNegatives",
    "Page",
    "Recall",
    "Recalled",
    "SpaceCounts",
    "Voting",
]
