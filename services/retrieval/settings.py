"""What the retrieval service can be told through its environment."""

from __future__ import annotations

from pydantic import Field

from services.runtime.settings import ProcessSettings


class RetrievalSettings(ProcessSettings):
    """Read by `__main__` and nowhere else. How neighbours vote comes with each request."""

    port: int = Field(default=8503, ge=0, le=65535, description="gRPC port; 0 lets the system choose")
    neighbours_per_space: int = Field(
        default=100, ge=1, le=10_000, description="exemplars that vote, at most, in each space"
    )
    freshness_wait_s: float = Field(
        default=5.0, ge=0, description="how long a read waits for min_memory_version, at most"
    )
    memory_flush_records: int = Field(
        default=5_000, ge=1, description="records after which the memory is written to disk, at most"
    )
    memory_flush_every_s: float = Field(
        default=60.0, gt=0, description="time after which it is, if there was any record"
    )
    memory_snapshot_every_s: float = Field(
        default=300.0,
        ge=0,
        description="from one snapshot to the next, of all replicas; 0: this one takes none",
    )
    memory_quality_sample: float = Field(
        default=0.001,
        ge=0,
        le=1,
        description="share of the queries that are repeated with every vector compared, to measure recall; "
        "0: none",
    )
    memory_snapshots_kept: int = Field(default=3, ge=1, description="snapshots that are kept")
