"""What encoding is told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import Field, model_validator

import models
from services.kernel.vocabulary import NAME_SPACE, VISUAL_SPACE
from services.runtime.settings import ProcessSettings, problem, tls_problems
from services.runtime.tls import Tls


def _cores() -> int:
    return len(os.sched_getaffinity(0))


_SPACE_NAME: Final = "[a-z0-9][a-z0-9_.-]{0,62}"
_SPACE: Final = f"^{_SPACE_NAME}$"


class EncodingSettings(ProcessSettings):
    """Which models see and read, and how much work is done and kept."""

    port: int = Field(default=8502, ge=0, le=65535, description="gRPC port; 0 lets the system choose")
    model_folder: Path = Field(
        default=Path(models.__file__).parent / "store", description="one folder a model, one in it a version"
    )
    image_model: str = Field(default="efficientnet-lite0", description="from crops to looks and logits")
    image_space: str = Field(default=VISUAL_SPACE, pattern=_SPACE, description="the space of those looks")
    more_image_models: str = Field(
        default="",
        pattern=rf"^(({_SPACE_NAME}=[^=,\s]+)(,{_SPACE_NAME}=[^=,\s]+)*)?$",
        description="encoders beside it, each with a space of its own: SPACE=MODEL or SPACE=MODEL/VERSION,"
        " with commas; only collections that use a space have it computed",
    )
    bridge_model: str = Field(default="conse-imagenet-minilm", description="from logits to names")
    text_model: str = Field(default="all-minilm-l6-v2", description="from texts to names")
    triton_url: str = Field(
        default="",
        pattern=r"^((grpcs?://)?[^:/\s,]+:\d+(,[^:/\s,]+:\d+)*)?$",
        description="gRPC host:port of a Triton that runs the models, in place of this process; of several,"
        " with commas, one is asked until it does not answer; grpcs://host:port encrypts",
    )
    triton_ca_file: Path | None = Field(
        default=None, description="PEM: who vouches for a grpcs:// Triton; default: those that gRPC ships"
    )
    triton_timeout_s: float = Field(
        default=10.0, gt=0, description="the longest that a request to it may take"
    )
    images_at_once: int = Field(
        default_factory=_cores,
        ge=1,
        description="images decoded and encoded at a time; each may take 150 MB; default: one a core",
    )
    kept_regions: int = Field(
        default=2048, ge=0, description="regions whose embeddings (13 kB each) are kept; 0 keeps none"
    )
    kept_texts: int = Field(
        default=8192, ge=0, description="texts whose embeddings (2 kB each) are kept; 0 keeps none"
    )

    @model_validator(mode="after")
    def _triton_protected_as_said(self) -> EncodingSettings:
        if self.triton_ca_file is None:
            return self
        problems = list(tls_problems(Tls(self.triton_ca_file), "triton_"))
        if not self.triton_url.startswith("grpcs://"):
            problems.append(
                problem("triton_ca_file", "is of no use unless FOVEA_TRITON_URL begins with grpcs://")
            )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def models_by_space(self) -> Mapping[str, str]:
        """The encoders beside the first one."""
        entries = (entry.partition("=") for entry in self.more_image_models.split(",") if entry)
        return {space: model for space, _, model in entries}

    @model_validator(mode="after")
    def _a_space_for_each_encoder(self) -> EncodingSettings:
        spaces = [entry.partition("=")[0] for entry in self.more_image_models.split(",") if entry]
        taken = [NAME_SPACE, self.image_space, *spaces]
        if len(set(taken)) < len(taken):
            raise ValueError(
                problem("more_image_models", f"names a space twice, or one that is taken: {', '.join(taken)}")
            )
        if self.triton_url and any("/" in model for model in self.models_by_space.values()):
            raise ValueError(
                problem("more_image_models", "names a version: on Triton, give the model a name of its own")
            )
        return self
