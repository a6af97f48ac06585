"""What segmentation is told."""

from __future__ import annotations

from pydantic import Field

from services.runtime.settings import ProcessSettings


class SegmentationSettings(ProcessSettings):
    """Segmentation has no settings of its own yet."""

    port: int = Field(default=8501, ge=0, le=65535, description="gRPC port; 0 lets the system choose")
