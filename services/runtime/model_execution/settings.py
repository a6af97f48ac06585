"""What a process that runs models, or has them run, is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

import models
from services.runtime.settings import ProcessSettings, problem, tls_problems
from services.runtime.tls import Tls

OFF: Final = "none"
"""Names no model. A word, since an environment variable that is empty counts as not set."""


def _named(model: str) -> str:
    return "" if model == OFF else model


OptionalModel = Annotated[str, AfterValidator(_named)]
"""A model that a process can do without: empty if the word for none was said."""


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


class ModelSettings(ProcessSettings):
    """Where models are, and who runs them."""

    model_folder: Path = Field(
        default=Path(models.__file__).parent / "store", description="one folder a model, one in it a version"
    )
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

    @model_validator(mode="after")
    def _triton_protected_as_said(self) -> ModelSettings:
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
