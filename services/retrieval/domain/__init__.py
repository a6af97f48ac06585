"""What retrieval decides, without a thought of where exemplars are kept."""

from services.retrieval.domain.describing import describe, to_describe
from services.retrieval.domain.hierarchy import NO_PARENTS, Parents
from services.retrieval.domain.voting import (
    Hit,
    Scope,
    comparable,
    id_of_token,
    page_token,
    pool,
    votes_in_force,
)

__all__ = [
    "NO_PARENTS",
    "Hit",
    "Parents",
    "Scope",
    "comparable",
    "describe",
    "id_of_token",
    "page_token",
    "pool",
    "to_describe",
    "votes_in_force",
]
