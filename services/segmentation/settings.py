"""What segmentation is told."""

from __future__ import annotations

from pydantic import Field

from services.runtime.model_execution.settings import ModelSettings, OptionalModel, cores


class SegmentationSettings(ModelSettings):
    """Which detector finds what prompts name, and how much work is done and kept."""

    port: int = Field(default=8501, ge=0, le=65535, description="gRPC port; 0 lets the system choose")
    detector_model: OptionalModel = Field(
        default="fovea-detector",
        description="finds what prompts name; none: nothing does; the shipped one may be missing as well",
    )
    mask_model: str = Field(
        default="",
        description="makes masks of the boxes of a detector that makes none, such as an imported SAM; empty:"
        " nothing does",
    )
    tiles_from_px: int = Field(
        default=1600,
        ge=1,
        description="longer side of an image from which tiles of it are looked at as well, unless a caller"
        " says otherwise",
    )
    find_tiles: int = Field(
        default=6, ge=0, le=6, description="tiles that an image is cut into, at most; 0: it never is"
    )
    second_look: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="places of an image whose crops are seen, too, before names and exemplars are scored, at"
        " most; empty: as many as the detector's description says; 0: none",
    )
    finds_at_once: int = Field(
        default_factory=cores,
        ge=1,
        description="images decoded and looked at at a time; each may take 200 MB; default: one a core",
    )
    kept_passes_mb: int = Field(
        default=256,
        ge=0,
        description="memory for what was seen in images, in millions of bytes; 3 a square; 0 keeps none",
    )
    kept_prompts: int = Field(
        default=16384,
        ge=0,
        description="prompts whose vectors (3 kB each) are kept; 0 keeps none",
    )
    kept_lists_mb: int = Field(
        default=128,
        ge=0,
        description="memory for vectors of lists of prompts that were asked as they were, in millions of"
        " bytes; 13,204 take 34; 0 keeps none",
    )
    find_item_timeout_s: float = Field(
        default=30.0,
        gt=0,
        description="what one image of a stream may take, besides what its stream has left",
    )
