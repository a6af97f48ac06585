"""What the gateway can be told through its environment."""

from __future__ import annotations

from typing import Final

from pydantic import Field, field_validator

from services.kernel.vocabulary import SpaceVote
from services.runtime.settings import ProcessSettings

_NUMBER: Final = r"-?\d+(\.\d+)?"
_VOTE: Final = rf"[a-z0-9][a-z0-9_.-]{{0,62}}={_NUMBER}:{_NUMBER}:{_NUMBER}"


class GatewaySettings(ProcessSettings):
    """Read by `__main__` and nowhere else."""

    port: int = Field(default=8500, ge=0, le=65535, description="gRPC port; 0 lets the system choose")
    segmentation_target: str = Field(default="127.0.0.1:8501", description="where segmentation answers")
    encoding_target: str = Field(default="127.0.0.1:8502", description="where encoding answers")
    retrieval_target: str = Field(default="127.0.0.1:8503", description="where retrieval answers")
    ranking_target: str = Field(default="127.0.0.1:8504", description="where ranking answers")
    item_timeout_s: float = Field(
        default=30.0, gt=0, description="what one item of a stream may take, besides what its stream has left"
    )
    item_threads: int = Field(default=16, ge=1, le=1024, description="items of all streams at work at a time")
    teaching_window: int = Field(
        default=64, ge=1, le=4096, description="exemplars of one Remember stream on their way at a time"
    )
    sweep_every_s: float = Field(
        default=3600.0, gt=0, description="between two looks for images whose days are over"
    )
    passing_image_hours: float = Field(
        default=24.0, gt=0, description="how old an image without retention gets if its work never ends"
    )
    back_fill_per_s: float = Field(
        default=20.0, gt=0, description="exemplars encoded again in a second, at most, for another encoder"
    )
    back_fill_every_s: float = Field(
        default=10.0, gt=0, description="between two looks for exemplars to encode again"
    )
    votes: str = Field(
        default="",
        pattern=rf"^({_VOTE}(,{_VOTE})*)?$",
        description="how spaces vote where a collection says nothing, in place of what ships:"
        " SPACE=WEIGHT:TEMPERATURE:REFERENCE, with commas",
    )

    @property
    def default_votes(self) -> tuple[SpaceVote, ...]:
        """The votes that it names."""
        entries = (entry.partition("=") for entry in self.votes.split(",") if entry)
        return tuple(SpaceVote(space, *map(float, said.split(":"))) for space, _, said in entries)

    @field_validator("votes")
    @classmethod
    def _votes_that_count(cls, votes: str) -> str:
        for space, _, said in (entry.partition("=") for entry in votes.split(",") if entry):
            weight, temperature, _ = map(float, said.split(":"))
            if weight < 0 or temperature <= 0:
                raise ValueError(f"{space}: a weight is 0 or more, a temperature more than 0")
        return votes
