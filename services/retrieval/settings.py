"""What the retrieval service can be told through its environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from services.retrieval.adapters.memory.parameters import IndexParameters
from services.runtime.settings import ProcessSettings, problem, tls_problems
from services.runtime.tls import Tls

MemoryEngine = Literal["segments", "milvus"]
MilvusIndex = Literal["AUTOINDEX", "HNSW", "IVF_RABITQ", "DISKANN", "FLAT"]


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
    memory_index_recall: float = Field(
        default=IndexParameters().recall,
        ge=0.5,
        le=1,
        description="share of the neighbours of held-out vectors that a new index finds, if it can",
    )
    memory_quality_sample: float = Field(
        default=0.001,
        ge=0,
        le=1,
        description="share of the queries that are repeated with every vector compared, to measure recall; "
        "0: none",
    )
    memory_snapshots_kept: int = Field(default=3, ge=1, description="snapshots that are kept")
    memory_engine: MemoryEngine = Field(
        default="segments",
        description="segments on each replica's disk, or one Milvus for all, where one machine is outgrown",
    )
    milvus_uri: str = Field(
        default="",
        pattern="^(https?://[^/@]+(/[A-Za-z_][A-Za-z0-9_]*)?/?)?$",
        description="such as http://10.0.0.1:19530, with a database such as /fovea behind it",
    )
    milvus_token: SecretStr = Field(
        default=SecretStr(""), description="user:password, or an API key, where Milvus asks; never shown"
    )
    milvus_ca_file: Path | None = Field(
        default=None, description="PEM: who vouches for an https server; default: whom the system trusts"
    )
    milvus_timeout_s: float = Field(
        default=10.0, gt=0, description="the longest that one call of it may take"
    )
    milvus_index: MilvusIndex = Field(
        default="AUTOINDEX", description="of vectors, when their table is made; docs/sizing.md compares them"
    )
    milvus_shards: int = Field(
        default=1, ge=1, le=64, description="of each table, when it is made: what takes writes side by side"
    )
    milvus_keep_views_s: float = Field(
        default=3_600.0,
        ge=60,
        description="how long what was replaced or forgotten is kept there, for exports and audits under way",
    )

    @model_validator(mode="after")
    def _milvus_as_said(self) -> RetrievalSettings:
        if problems := list(_milvus_problems(self)):
            raise ValueError("\n".join(problems))
        return self


def _milvus_problems(settings: RetrievalSettings) -> Iterator[str]:
    if settings.memory_engine == "milvus" and not settings.milvus_uri:
        yield problem("milvus_uri", "is missing; FOVEA_MEMORY_ENGINE=milvus keeps the memory there")
    if settings.memory_engine != "milvus":
        for name in ("milvus_uri", "milvus_token", "milvus_ca_file"):
            if getattr(settings, name):
                yield problem(name, f"is of no use while FOVEA_MEMORY_ENGINE is {settings.memory_engine}")
    elif settings.milvus_ca_file is not None:
        if settings.milvus_uri.startswith("http://"):
            yield problem("milvus_ca_file", "is of no use while FOVEA_MILVUS_URI begins with http://")
        yield from tls_problems(Tls(settings.milvus_ca_file), "milvus_")
