"""What the ranking service can be told through its environment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from services.runtime.model_execution.settings import ModelSettings, OptionalModel, cores
from services.runtime.settings import is_loopback, problem, tls_problems
from services.runtime.tls import Tls


class RemoteRankerSettings(ModelSettings):
    """Which model on somebody's server orders candidates, in place of one that runs here."""

    remote_ranker_url: str = Field(
        default="",
        pattern=r"^((grpcs?|https?)://\S+)?$",
        description="a model on a server orders candidates: grpc://host:8001 or grpcs:// is vLLM on Triton,"
        " https://host/v1 whatever speaks OpenAI's chat completions; empty: one that runs here",
    )
    remote_ranker_model: str = Field(default="", description="as the server calls it")
    remote_ranker_chat: Literal[
        "", "llava", "llava-mistral", "llava-qwen", "qwen-vl", "idefics2", "idefics3", "smolvlm", "chatml"
    ] = Field(
        default="",
        description="layout of its family's prompts, for vLLM on Triton; other servers know it themselves",
    )
    remote_ranker_key: SecretStr = Field(
        default=SecretStr(""), description="bearer token that an https server wants; never shown"
    )
    remote_ranker_ca_file: Path | None = Field(
        default=None, description="PEM: who vouches for it; default: whom the system trusts"
    )
    remote_ranker_timeout_s: float = Field(
        default=10.0, gt=0, description="the longest that one question to it may take"
    )
    remote_ranker_calls: int = Field(default=8, ge=1, le=256, description="questions to it at a time")
    remote_ranker_logprobs: int = Field(
        default=20, ge=1, le=1024, description="likely tokens to ask for; most servers give 20 at most"
    )
    remote_ranker_guided: Literal["", "structured_outputs", "guided_choice", "none"] = Field(
        default="",
        description="how it is told to answer with a letter: as vLLM from 0.11 on wants it, as those before,"
        " or not at all; default: structured_outputs on Triton, else none",
    )
    remote_ranker_reads: Literal["letters", "letters only", "lists"] = Field(
        default="letters",
        description="letters' probabilities, and lists that it writes where it gives none; or one alone",
    )
    remote_ranker_picture_px: int = Field(
        default=768, ge=56, le=4096, description="longer side of the pictures that it gets"
    )

    @model_validator(mode="after")
    def _can_be_asked(self) -> RemoteRankerSettings:
        if problems := [*_remote_problems(self)]:
            raise ValueError("\n".join(problems))
        return self


class RankingSettings(RemoteRankerSettings):
    """Which model orders candidates, how hard it tries, and how much work is done and kept.

    The gates' defaults belong to the default encoders and votes, and were chosen on classes that no demo
    shows.
    """

    port: int = Field(default=8504, ge=0, le=65535, description="gRPC port; 0 lets the system choose")
    ranking_model: OptionalModel = Field(
        default="fovea-ranker",
        description="orders the candidates of what the gates leave open; none: nothing does, and retrieval's"
        " order stands; the shipped one may be missing as well",
    )
    ranking_mode: Literal["", "pictures", "letters", "names", "both"] = Field(
        default="",
        description="whether candidates' own pictures alone are compared, or a language model reads letters,"
        " names or both as well; empty: as the model is best",
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
    kept_looks_mb: int = Field(
        default=64,
        ge=0,
        description="memory for what was seen of exemplars' pictures, in millions of bytes; 25 pictures take"
        " one; 0 keeps none",
    )
    kept_names: int = Field(
        default=8192, ge=0, description="names of candidates whose vectors (3 kB each) are kept; 0 keeps none"
    )
    ranking_item_timeout_s: float = Field(
        default=30.0,
        gt=0,
        description="what one image of a stream may take, besides what its stream has left",
    )


def _remote_problems(settings: RemoteRankerSettings) -> Iterator[str]:
    """Yield what would fail only when the first question is asked."""
    url = settings.remote_ranker_url
    if not url:
        return
    if re.search("[@?#]", url):  # said without the address: what is before an @ may be a password
        yield problem("remote_ranker_url", "ends before ? and #, and has no user in it; see the key")
    if not settings.remote_ranker_model:
        yield problem("remote_ranker_model", "is missing: what does the server call its model?")
    yield from _triton_problems(settings) if url.startswith("grpc") else _http_problems(settings)
    if settings.remote_ranker_ca_file is not None:
        if url.startswith(("http://", "grpc://")):
            yield problem("remote_ranker_ca_file", "is of no use where nothing is encrypted")
        yield from tls_problems(Tls(settings.remote_ranker_ca_file), "remote_ranker_")


def _triton_problems(settings: RemoteRankerSettings) -> Iterator[str]:
    if not settings.remote_ranker_chat:
        yield problem("remote_ranker_chat", "is missing: vLLM on Triton takes prompts as its family has them")
    if settings.remote_ranker_key.get_secret_value():
        yield problem("remote_ranker_key", "is of no use with grpc://; Triton takes none")


def _http_problems(settings: RemoteRankerSettings) -> Iterator[str]:
    address = urlsplit(settings.remote_ranker_url)
    if settings.remote_ranker_chat:
        yield problem("remote_ranker_chat", "is of no use: such a server lays out prompts itself")
    open_way = address.scheme == "http" and not is_loopback(address.hostname or "")
    if open_way and settings.remote_ranker_key.get_secret_value():
        yield problem("remote_ranker_key", "is not sent over http://, where all can read it; use https://")
