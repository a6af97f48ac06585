"""What the ranking service can be told through its environment."""

from __future__ import annotations

from pydantic import Field

from services.runtime.settings import ProcessSettings


class RankingSettings(ProcessSettings):
    """Read by `__main__` and nowhere else.

    The defaults belong to the default encoders and votes, and were chosen on classes that no demo shows.
    """

    port: int = Field(default=8504, ge=0, le=65535, description="gRPC port; 0 lets the system choose")
