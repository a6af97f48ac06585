"""What the ranking service can be told through its environment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.runtime.model_execution.settings import ModelSettings, cores


class RankingSettings(ModelSettings):
    """Which model orders candidates, how hard it tries, and how much work is done and kept.

    The gates' defaults belong to the default encoders and votes, and were chosen on classes that no demo
    shows.
    """

    port: int = Field(default=8504, ge=0, le=65535, description="gRPC port; 0 lets the system choose")
    ranking_model: str = Field(
        default="fovea-ranker",
        description="orders the candidates of what the gates leave open; empty: nothing does, and retrieval's"
        " order stands; the shipped one may be missing as well",
    )
    ranking_mode: Literal["", "letters", "names", "both"] = Field(
        default="",
        description="whether candidates are read behind letters, by their names, or both; empty: as the model"
        " is best",
    )
    ranking_candidates: int = Field(
        default=26, ge=2, le=26, description="of one region that the model is asked about, at most"
    )
    ranking_orders: int = Field(
        default=1,
        ge=1,
        le=26,
        description="orders in which candidates are shown to it; each costs as much as the first",
    )
    ranking_budget_s: float = Field(
        default=2.0,
        gt=0,
        description="what the model may take for one image; what does not fit is left out, and the record"
        " says so",
    )
    rankings_at_once: int = Field(
        default_factory=cores, ge=1, description="images asked about at a time; default: one a core"
    )
    kept_judgements: int = Field(
        default=4096, ge=0, description="answers of the model (5 kB each) that are kept; 0 keeps none"
    )
    ranking_item_timeout_s: float = Field(
        default=30.0,
        gt=0,
        description="what one image of a stream may take, besides what its stream has left",
    )
