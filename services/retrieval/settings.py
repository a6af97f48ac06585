"""What the retrieval service can be told through its environment."""

from __future__ import annotations

from pydantic import Field

from services.kernel.vocabulary import NAME_SPACE, VISUAL_SPACE, SpaceVote
from services.retrieval.usecases import Voting
from services.runtime.settings import ProcessSettings


class RetrievalSettings(ProcessSettings):
    """Read by `__main__` and nowhere else.

    A neighbour has weight * exp((similarity - reference) / temperature) votes, by its space. The defaults
    belong to the default encoders and were fitted with 100 neighbours on classes that no demo shows.
    """

    port: int = Field(default=8503, ge=0, le=65535, description="gRPC port; 0 lets the system choose")
    neighbours_per_space: int = Field(
        default=100, ge=1, le=10_000, description="exemplars that vote, at most, in each space"
    )
    visual_weight: float = Field(default=1.0, ge=0, description="weight of images' votes")
    visual_temperature: float = Field(
        default=0.056, gt=0, description="lower trusts the nearest neighbour more; in units of cosine"
    )
    visual_reference: float = Field(
        default=0.44, ge=-1, le=1, description="cosine at which one neighbour is as likely right as wrong"
    )
    name_weight: float = Field(default=1.0, ge=0, description="weight of names' and attributes' votes")
    name_temperature: float = Field(default=0.12, gt=0, description="as visual_temperature")
    name_reference: float = Field(default=0.80, ge=-1, le=1, description="as visual_reference")
    freshness_wait_s: float = Field(
        default=5.0, ge=0, description="how long a read waits for min_memory_version, at most"
    )

    @property
    def voting(self) -> Voting:
        """How neighbours vote unless a caller says otherwise."""
        visual = SpaceVote(VISUAL_SPACE, self.visual_weight, self.visual_temperature, self.visual_reference)
        name = SpaceVote(NAME_SPACE, self.name_weight, self.name_temperature, self.name_reference)
        return Voting((visual, name), self.neighbours_per_space)
