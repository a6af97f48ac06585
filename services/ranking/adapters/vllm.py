"""A model that vLLM runs on Triton: the protocol of Triton's vLLM backend, over gRPC.

The backend answers as a stream (it is *decoupled*), takes a prompt as one string with the family's own place
for the picture in it, pictures as base64, and sampling parameters as JSON; inside that JSON the description
of what may be answered is JSON in a string once more.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
import numpy as np
from tritonclient.grpc import InferResult, service_pb2, service_pb2_grpc
from tritonclient.utils import serialize_byte_tensor

from models.ranking.chats import Chat
from models.ranking.pieces import as_text
from services.kernel.errors import DeadlineExceeded, FoveaError, InvalidInput, Overloaded, Unavailable
from services.ranking.adapters.remote.asking import MOST_ANSWER_BYTES, Answered, Asked, Guided, said
from services.ranking.adapters.remote.letters import LETTERS
from services.runtime import deadline

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MOST_ANSWER_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_http_proxy", 0),
)
_TRUE: Final = (
    "return_logprobs",
    "return_finish_reason",
    "return_num_input_tokens",
    "return_num_output_tokens",
)
_GUIDES: Final[Mapping[str, str]] = {
    "structured_outputs": "structured_outputs",  # vLLM 0.11 and later
    "guided_choice": "guided_decoding",
}
_UNREADABLE: Final = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
_FULL: Final = ("maximum queue size", "RESOURCE_EXHAUSTED", "rate limit")


@dataclass(frozen=True)
class VllmSettings:
    """Where the model is.

    Args:
        url: `grpc://host:8001`, or `grpcs://` to encrypt.
        model: As it is called there.
        chat: The layout of its family.
        timeout_s: The longest that one question may take; a caller with less time is not kept longer.
        top_logprobs: How many likely tokens to ask for; at most `max_logprobs` of the engine.
        guided: How letters alone are allowed.
        ca_file: PEM of who vouches for the server; without it, those that gRPC ships.
    """

    url: str
    model: str
    chat: Chat
    timeout_s: float = 10.0
    top_logprobs: int = 20
    guided: Guided = "structured_outputs"
    ca_file: Path | None = None


class VllmOnTriton:
    """Asks a model on Triton's vLLM backend. Needs no server to be made, only to be used."""

    def __init__(self, settings: VllmSettings) -> None:
        self._settings = settings
        self._channel = _channel(settings)
        self._stub: Any = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    @property
    def chat(self) -> Chat:
        """The layout of its family."""
        return self._settings.chat

    def ask(self, asked: Asked) -> Answered:
        """Return the answer; see the port."""
        request = self._request(asked)
        with self._call() as time_s:
            call = self._stub.ModelStreamInfer(iter([request]), timeout=time_s)
            try:
                return self._read(call, asked)
            finally:
                call.cancel()  # else a server that says more would be listened to

    def identity(self) -> str:
        """Return the model's name and the version that Triton serves: it says no digest."""
        with self._call() as time_s:
            request = service_pb2.ModelMetadataRequest(name=self._settings.model)
            reply = self._stub.ModelMetadata(request, timeout=time_s)
        missing = {"text_input", "image", "sampling_parameters"} - {each.name for each in reply.inputs}
        if missing:
            raise Unavailable(
                f"{self._settings.model} on Triton has no input {', '.join(sorted(missing))}: it is not run "
                "by the vLLM backend, or by one that takes no pictures",
                reason="RANKER_OTHER",
            )
        return f"{self._settings.model}@{max(reply.versions, key=_number, default='unstated')}"

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _request(self, asked: Asked) -> Any:
        request = service_pb2.ModelInferRequest(model_name=self._settings.model)
        request.parameters["triton_enable_empty_final_response"].bool_param = True
        texts = {
            "text_input": as_text(asked.prompt, image=self.chat.image),
            "image": base64.b64encode(asked.picture).decode("ascii"),
            "sampling_parameters": json.dumps(self._sampling(asked)),
        }
        for name, text in texts.items():
            _add(
                request, name, "BYTES", serialize_byte_tensor(np.array([text.encode()], dtype=object)).item()
            )
        for name, value in {"stream": False, "exclude_input_in_output": True}.items():
            _add(request, name, "BOOL", np.array([value]).tobytes())
        for name in _TRUE:
            _add(request, name, "BOOL", np.array([True]).tobytes())
        return request

    def _sampling(self, asked: Asked) -> dict[str, Any]:
        sampling: dict[str, Any] = {"temperature": 0.0, "max_tokens": asked.most_tokens}
        if asked.letters:
            sampling["logprobs"] = self._settings.top_logprobs
            guide = _GUIDES.get(self._settings.guided)
            if guide is not None:
                sampling[guide] = json.dumps({"choice": list(LETTERS[: asked.letters])})
        return sampling

    def _read(self, call: Any, asked: Asked) -> Answered:
        """Return what the stream says; it may be said in several parts."""
        text, tokens, listed, version = "", 0, None, ""
        for message in call:
            if message.error_message:
                raise _refused(message.error_message, self._settings.model)
            reply = InferResult(message.infer_response)
            version = version or message.infer_response.model_version
            text += _text(reply, "text_output") or ""
            listed = listed or _first_token(_text(reply, "logprobs"))
            tokens = max(tokens, _count(reply, "num_input_tokens")) + _count(reply, "num_output_tokens")
            if _is_final(message.infer_response) or len(text) > MOST_ANSWER_BYTES:
                break
        if not version and not text:
            raise Unavailable(
                f"{self._settings.model} on Triton ended without an answer", reason="RANKER_SILENT"
            )
        model = f"{self._settings.model}@{version or 'unstated'}"
        return Answered(text, listed if asked.letters else None, model, tokens)

    @contextmanager
    def _call(self) -> Iterator[float]:
        """Give the time that a call may take, and translate what it raises."""
        deadline.check()
        left_s = deadline.remaining_s()
        limited = left_s is not None and left_s < self._settings.timeout_s
        time_s = left_s if left_s is not None and limited else self._settings.timeout_s
        try:
            yield time_s
        except grpc.RpcError as error:
            raise self._translated(error, limited=limited) from error
        except _UNREADABLE as error:  # of an answer that is not what it should be
            raise Unavailable(
                f"{self._settings.model} on Triton answered what nobody understands: {said(error)}",
                reason="RANKER_ANSWER",
            ) from error

    def _translated(self, error: Any, *, limited: bool) -> FoveaError:
        words = f"{self._settings.model} on Triton: {said(error.details())}"
        code = error.code()
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            if limited:
                return DeadlineExceeded(f"{self._settings.model} had no answer before the time was used up")
            return Unavailable(f"{words} (no answer in time)", reason="RANKER_SLOW")
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" not in words:
            return Overloaded(words, reason="RANKER_BUSY")
        return Unavailable(words, reason="RANKER_DOWN")


def _channel(settings: VllmSettings) -> grpc.Channel:
    address = urlsplit(settings.url)
    if address.scheme not in {"grpc", "grpcs"} or not address.netloc:
        raise InvalidInput(
            f"{settings.url!r} is no address such as grpc://host:8001", field="remote_ranker_url"
        )
    if address.scheme == "grpc":
        return grpc.insecure_channel(address.netloc, options=_OPTIONS)
    trusted = None if settings.ca_file is None else settings.ca_file.read_bytes()
    return grpc.secure_channel(address.netloc, grpc.ssl_channel_credentials(trusted), options=_OPTIONS)


def _add(request: Any, name: str, datatype: str, content: bytes) -> None:
    request.inputs.add(name=name, datatype=datatype, shape=[1])
    request.raw_input_contents.append(content)


def _text(reply: Any, name: str) -> str | None:
    values = reply.as_numpy(name)
    if values is None or not values.size:
        return None
    first = values.flat[0]
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)


def _count(reply: Any, name: str) -> int:
    """Return a count; the backend sends one that has no axis where its configuration says one."""
    values = reply.as_numpy(name)
    return 0 if values is None or not values.size else int(values.flat[0])


def _first_token(written: str | None) -> tuple[tuple[str, float], ...] | None:
    """Return the likely first tokens: JSON of a list with, for each token, id to probability and text."""
    tokens = json.loads(written) if written else None
    if not tokens:
        return None
    return tuple((str(each["decoded_token"]), float(each["logprob"])) for each in tokens[0].values())


def _is_final(response: Any) -> bool:
    return bool(response.parameters["triton_final_response"].bool_param)


def _refused(message: str, model: str) -> FoveaError:
    words = f"{model} on Triton: {said(message)}"
    if any(each in message for each in _FULL):
        return Overloaded(words, reason="RANKER_BUSY")
    return Unavailable(words, reason="RANKER_REFUSED")


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else 0
