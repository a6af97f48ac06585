"""What the gateway needs from the world, in its own words."""

from services.gateway.ports.changes import (
    BackFillMonitor,
    Pending,
    Settled,
    Teacher,
)
from services.gateway.ports.keeping import (
    Announcer,
    Collections,
    DeadLetters,
    Endings,
    Images,
    Recognitions,
    StoredImage,
    Submissions,
    Watch,
)
from services.gateway.ports.steps import (
    Encoder,
    Encoding,
    Ordering,
    Proposal,
    Ranker,
    Recollection,
    Retriever,
    Segmenter,
)

__all__ = [
    "Announcer",
    "BackFillMonitor",
    "Collections",
    "DeadLetters",
    "Encoder",
    "Encoding",
    "Endings",
    "Images",
    "Ordering",
    "Pending",
    "Proposal",
    "Ranker",
    "Recognitions",
    "Recollection",
    "Retriever",
    "Segmenter",
    "Settled",
    "StoredImage",
    "Submissions",
    "Teacher",
    "Watch",
]
