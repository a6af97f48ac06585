"""From settings to a ranker on a server."""

from __future__ import annotations

from typing import Final

from models.ranking.chats import CHATS
from services.ranking.adapters.openai import OpenAiEndpoint, OpenAiSettings
from services.ranking.adapters.remote.asking import Guided, Server
from services.ranking.adapters.remote.ranker import RemoteRanker, RemoteSettings
from services.ranking.adapters.remote.wire import WireSettings
from services.ranking.adapters.vllm import VllmOnTriton, VllmSettings
from services.ranking.settings import RemoteRankerSettings

_ON_TRITON: Final = "grpc"


def open_remote(settings: RemoteRankerSettings) -> RemoteRanker | None:
    """Return what asks the server of the settings; None if they name none. It is asked nothing yet."""
    if not settings.remote_ranker_url:
        return None
    how = RemoteSettings(
        letters=settings.remote_ranker_reads != "lists",
        generates=settings.remote_ranker_reads != "letters only",
        picture_px=settings.remote_ranker_picture_px,
        concurrent=settings.remote_ranker_calls,
    )
    return RemoteRanker(_server(settings), how)


def _server(settings: RemoteRankerSettings) -> Server:
    if settings.remote_ranker_url.startswith(_ON_TRITON):
        return VllmOnTriton(
            VllmSettings(
                settings.remote_ranker_url,
                settings.remote_ranker_model,
                CHATS[settings.remote_ranker_chat],
                timeout_s=settings.remote_ranker_timeout_s,
                top_logprobs=settings.remote_ranker_logprobs,
                guided=settings.remote_ranker_guided or "structured_outputs",
                ca_file=settings.remote_ranker_ca_file,
            )
        )
    guided: Guided = settings.remote_ranker_guided or "none"
    wire = WireSettings(
        settings.remote_ranker_url,
        settings.remote_ranker_key,
        settings.remote_ranker_ca_file,
        settings.remote_ranker_timeout_s,
        connections=settings.remote_ranker_calls,
    )
    return OpenAiEndpoint(
        OpenAiSettings(wire, settings.remote_ranker_model, settings.remote_ranker_logprobs, guided)
    )
