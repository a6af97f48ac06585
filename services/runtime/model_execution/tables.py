"""What a model of each kind says of itself in `model.toml`, beside names, shapes and digests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class Strict(BaseModel):
    """A table whose keys are checked word for word."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Crops(Strict):
    """How a region becomes the square that the model reads; what is not said is as for the shipped models.

    Attributes:
        fit: Whether a crop that is not square is padded, stretched, or cut to its middle square.
        resize_px: What the shorter side of a crop is resized to before its middle is cut out; 0: to the
            square's own side.
        resample: The filter.
        padding: Grey of the padding.
    """

    fit: Literal["pad", "stretch", "cover"] = "pad"
    resize_px: int = Field(default=0, ge=0, le=4096)
    resample: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bicubic"
    padding: int = Field(default=255, ge=0, le=255)


class Texts(Strict):
    """How tokens are laid out for the model.

    Attributes:
        max_tokens: Longer texts are cut.
        padding: Whether rows are as long as the longest text of the batch, or always `max_tokens`.
        pad_id: What fills a row behind its text.
    """

    max_tokens: int = Field(ge=2, le=8192)
    padding: Literal["longest", "max_tokens"] = "longest"
    pad_id: int = Field(default=0, ge=0)


class Thresholds(Strict):
    """The score above which what a detector sees counts as found, by the kind of prompt; calibrated."""

    name: Share
    phrase: Share
    sentence: Share
    exemplar: Share


class SecondThresholds(Strict):
    """The scores above which something counts as found when crops were looked at; of independent prompts."""

    name: Share
    exemplar: Share


class SecondLook(Strict):
    """How the exemplar model sees the surest places of an image, and how that joins the detector's logits.

    Attributes:
        most: Places of one image.
        least_objectness: Logit of being a thing at all from which on a place is looked at.
        own: What the detector's logit is multiplied with.
        crop: What the product of the crop's vector and a text's is multiplied with.
        shift: What is added.
        near: What the crop's nearness to names at large (a file of the role `names`) is multiplied with;
            0: there are none.
        thresholds: As it was calibrated.
    """

    most: int = Field(ge=1, le=100)
    least_objectness: float
    own: float = Field(gt=0)
    crop: float
    shift: float
    near: float = 0.0
    thresholds: SecondThresholds


class Detection(Strict):
    """How a detector is asked: by which models prompts become vectors and scores.

    Attributes:
        scorer: The graph from what was seen, and texts, to logits.
        text_model: Its embeddings are what texts are looked for by.
        exemplar_model: Sees crops, with an output in the same space; empty: pictures cannot be looked for.
        thresholds: As the detector was calibrated.
        second_look: How crops of what was found take part; without it, or an exemplar model, they do not.
    """

    scorer: str
    text_model: str
    exemplar_model: str = ""
    thresholds: Thresholds
    second_look: SecondLook | None = None


class Finding(Strict):
    """What a detector or masker that was imported finds things by.

    Attributes:
        by: All texts of a request read together as one, so that no answer is independent of the others;
            each text by itself; or boxes, of which it makes masks.
        fit: Whether a picture keeps its aspect in the square's upper left, or fills the square.
        partner: The model that reads texts, or that draws masks, for it.
        threshold: The score that its publishers use; not calibrated here.
    """

    by: Literal["joint texts", "texts", "boxes"]
    fit: Literal["corner", "stretch"] = "corner"
    partner: str = ""
    threshold: Share = 0.0


class Ordering(Strict):
    """How a language model that sees pictures orders candidates.

    Attributes:
        projector: The model that makes tokens of what was seen.
        image_model: Sees crops; its outputs go into the projector's inputs of the same names. The projector
            itself, if that sees crops.
        local_model: Sees a crop as one tile, for a projector that takes `patches` and for pairs; or none.
        pairs_model: Compares a crop with candidates' own pictures; empty: nothing does.
        text_model: Reads what candidates are called, into a space that `image_model` sees into; empty: names
            are compared with nothing.
        mode: What it is best at; `pictures`: candidates' own pictures are compared, and it is not asked.
        template: The prompt with candidates behind letters.
        names_template: The prompt that names are read behind.
        chat: The layout of the model's family, of models/ranking/chats.py.
        begin: The special token before every prompt; empty: none.
        blanks: Where its tokenizer writes a blank that is not in the text: before the first one, or before
            each that begins or that follows a special token.
        end: The special token behind an answer.
        row_tokens: Most tokens of one forward pass, all rows padded to the longest: memory sets it.
        call_s: What a call takes beside its tokens, as a first guess.
        token_s: What a token takes, as a first guess.
        weights: What each source's log-probabilities are multiplied with, `retrieval` among them, for each
            set of sources that was fitted.
    """

    projector: str
    image_model: str
    local_model: str = ""
    pairs_model: str = ""
    text_model: str = ""
    mode: Literal["pictures", "letters", "names", "both"] = "letters"
    template: str = "letters@1"
    names_template: str = "names@1"
    chat: str = "chatml"
    begin: str = ""
    blanks: Literal["none", "first", "all"] = "none"
    end: str = "<|im_end|>"
    row_tokens: int = Field(default=2048, ge=64)
    call_s: float = Field(default=0.05, ge=0)
    token_s: float = Field(default=0.003, gt=0)
    weights: tuple[Mapping[str, float], ...] = ({"retrieval": 1.0, "letters": 1.0},)
