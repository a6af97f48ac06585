"""A model behind any server that speaks OpenAI's chat completions, with pictures and log-probabilities."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.ranking.chats import PLAIN, Chat
from models.ranking.pieces import Image, Prompt, as_text
from services.kernel.errors import FoveaError, Unavailable
from services.ranking.adapters.remote.asking import Answered, Asked, Guided, said
from services.ranking.adapters.remote.letters import LETTERS
from services.ranking.adapters.remote.wire import Wire, WireSettings

_MOST_TOKENS: Final = 10_000_000
_UNREADABLE: Final = (ValueError, TypeError, KeyError, IndexError, AttributeError)


@dataclass(frozen=True)
class OpenAiSettings:
    """Which model is asked, and how.

    Args:
        wire: Where it is.
        model: As it is called there.
        top_logprobs: How many likely tokens to ask for; OpenAI allows 20.
        guided: How letters alone are allowed; OpenAI itself knows no way, vLLM's server does.
    """

    wire: WireSettings
    model: str
    top_logprobs: int = 20
    guided: Guided = "none"


class OpenAiEndpoint:
    """Asks a model by chat completions; the server wraps the question as the model's family wants it."""

    def __init__(self, settings: OpenAiSettings) -> None:
        self._settings = settings
        self._wire = Wire(settings.wire)

    @property
    def chat(self) -> Chat:
        """None: that is the server's."""
        return PLAIN

    def ask(self, asked: Asked) -> Answered:
        """Return the answer; see the port."""
        reply = self._wire.post("/chat/completions", self._request(asked))
        try:
            return self._read(reply, asked)
        except _UNREADABLE as error:
            raise Unavailable(
                f"the ranker answered what nobody understands: {type(error).__name__} {said(error)}",
                reason="RANKER_ANSWER",
            ) from None

    def identity(self) -> str:
        """Return the model's name; the server must list it. It says no digest."""
        reply = self._wire.get("/models")
        try:
            listed = {str(each["id"]): each for each in reply["data"]}
        except _UNREADABLE:
            raise Unavailable("the ranker does not list its models", reason="RANKER_ANSWER") from None
        if self._settings.model not in listed:
            raise Unavailable(f"the ranker has no model {self._settings.model}", reason="RANKER_OTHER")
        return _named(self._settings.model, said(listed[self._settings.model].get("root") or ""))

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def _request(self, asked: Asked) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._settings.model,
            "messages": [{"role": "user", "content": list(_parts(asked.prompt, asked.picture))}],
            "max_tokens": asked.most_tokens,
            "temperature": 0,
            "stream": False,
        }
        if asked.letters:
            request |= {"logprobs": True, "top_logprobs": self._settings.top_logprobs}
            choice = list(LETTERS[: asked.letters])
            if self._settings.guided == "structured_outputs":
                request["structured_outputs"] = {"choice": choice}
            elif self._settings.guided == "guided_choice":
                request["guided_choice"] = choice
        return request

    def _read(self, reply: Any, asked: Asked) -> Answered:
        if "error" in reply and "choices" not in reply:  # some servers say so with a status of 200
            raise self._failed(reply["error"])
        choice = reply["choices"][0]
        text = choice["message"].get("content") or ""
        if not isinstance(text, str):
            raise TypeError("content is no text")
        listed = _listed(choice.get("logprobs")) if asked.letters else None
        version = reply.get("system_fingerprint") or reply.get("model") or ""
        usage = reply.get("usage") or {}
        tokens = sum(_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
        return Answered(text, listed, _named(self._settings.model, said(version)), tokens)

    @staticmethod
    def _failed(error: Any) -> FoveaError:
        words = error.get("message") if isinstance(error, dict) else error
        return Unavailable(f"the ranker failed: {said(words)}", reason="RANKER_REFUSED")


def _parts(prompt: Prompt, picture: bytes) -> Sequence[Mapping[str, Any]]:
    """Return a prompt as parts of a message: the picture where its place is, text around it."""
    parts: list[Mapping[str, Any]] = []
    for piece in prompt:
        if isinstance(piece, Image):
            url = f"data:image/jpeg;base64,{base64.b64encode(picture).decode('ascii')}"
            parts.append({"type": "image_url", "image_url": {"url": url}})
        else:
            parts.append({"type": "text", "text": as_text((piece,)).strip("\n")})
    return parts


def _listed(logprobs: Any) -> tuple[tuple[str, float], ...] | None:
    """Return the likely first tokens; the one that was written is among them or joins them."""
    content = (logprobs or {}).get("content")
    if not content:
        return None
    first = content[0]
    likely = [(str(each["token"]), float(each["logprob"])) for each in first.get("top_logprobs") or ()]
    if first["token"] not in {text for text, _ in likely}:
        likely.append((str(first["token"]), float(first["logprob"])))
    return tuple(likely)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value <= _MOST_TOKENS else 0


def _named(model: str, version: str) -> str:
    return f"{model}@{version if version and version != model else 'unstated'}"
