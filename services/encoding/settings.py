"""What encoding is told."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, model_validator

from services.kernel.vocabulary import NAME_SPACE, VISUAL_SPACE
from services.runtime.model_execution.settings import ModelSettings, OptionalModel, cores
from services.runtime.settings import problem

_SPACE_NAME: Final = "[a-z0-9][a-z0-9_.-]{0,62}"
_SPACE: Final = f"^{_SPACE_NAME}$"
_MODEL: Final = r"[^=,\s]+"
_ENTRY: Final = f"({_SPACE_NAME}=)?{_MODEL}"


class EncodingSettings(ModelSettings):
    """Which models see and read, and how much work is done and kept."""

    port: int = Field(default=8502, ge=0, le=65535, description="gRPC port; 0 lets the system choose")
    image_model: str = Field(
        default="fovea-global", description="sees crops; every output that names a space is served"
    )
    image_space: str = Field(default=VISUAL_SPACE, pattern=_SPACE, description="the space of those looks")
    more_image_models: str = Field(
        default="",
        pattern=rf"^({_ENTRY}(,{_ENTRY})*)?$",
        description="encoders beside it, with commas: MODEL serves the spaces that it names, SPACE=MODEL its"
        " looks alone, in that space; MODEL/VERSION is not the newest; only collections that use a space"
        " have it computed",
    )
    bridge_model: str = Field(
        default="",
        description="from the first one's logits to names, if it has no output of its own for them",
    )
    text_model: str = Field(default="fovea-text", description="reads texts, into the space that it names")
    more_text_models: str = Field(
        default="",
        pattern=rf"^({_MODEL}(,{_MODEL})*)?$",
        description="encoders of texts beside it, with commas, each with a space of its own",
    )
    local_model: OptionalModel = Field(
        default="fovea-local",
        description="sees the tiles of a whole image, for dense reading; none, as the next one: there is no"
        " such reading",
    )
    regions_model: OptionalModel = Field(
        default="fovea-regions", description="reads regions from what that one saw"
    )
    region_reading: Literal["crop", "dense"] = Field(
        default="crop", description="how regions are read where the caller does not say"
    )
    map_tiles: int = Field(default=6, ge=1, le=6, description="tiles that an image is cut into, at most")
    images_at_once: int = Field(
        default_factory=cores,
        ge=1,
        description="images decoded and encoded at a time; each may take 150 MB; default: one a core",
    )
    kept_regions: int = Field(
        default=2048, ge=0, description="regions whose embeddings (4 kB each) are kept; 0 keeps none"
    )
    kept_texts: int = Field(
        default=8192, ge=0, description="texts whose embeddings (3 kB each) are kept; 0 keeps none"
    )
    kept_maps_mb: int = Field(
        default=256,
        ge=0,
        description="memory for maps of images, in millions of bytes; one takes up to 5; 0 keeps none",
    )
    item_timeout_s: float = Field(
        default=30.0, gt=0, description="what one item of a stream may take, besides what its stream has left"
    )

    @property
    def more_images(self) -> tuple[tuple[str, str], ...]:
        """The encoders of pictures beside the first one: a space, or none, and a model."""
        entries = (entry.rpartition("=") for entry in self.more_image_models.split(",") if entry)
        return tuple((space, model) for space, _, model in entries)

    @property
    def more_texts(self) -> tuple[str, ...]:
        """The encoders of texts beside the first one."""
        return tuple(model for model in self.more_text_models.split(",") if model)

    @model_validator(mode="after")
    def _a_space_for_each_encoder(self) -> EncodingSettings:
        spaces = [space for space, _ in self.more_images if space]
        taken = [NAME_SPACE, self.image_space, *spaces]
        if len(set(taken)) < len(taken):
            raise ValueError(
                problem("more_image_models", f"names a space twice, or one that is taken: {', '.join(taken)}")
            )
        if self.triton_url and any("/" in model for _, model in self.more_images):
            raise ValueError(
                problem("more_image_models", "names a version: on Triton, give the model a name of its own")
            )
        return self

    @model_validator(mode="after")
    def _both_models_of_dense_reading(self) -> EncodingSettings:
        if bool(self.local_model) != bool(self.regions_model):
            raise ValueError(
                problem("regions_model", "and FOVEA_LOCAL_MODEL are of no use without each other")
            )
        if self.region_reading == "dense" and not self.local_model:
            raise ValueError(problem("region_reading", "is dense, which takes FOVEA_LOCAL_MODEL"))
        return self
