"""A stand-in for Triton's vLLM backend, run by Triton's Python backend: its tensors, words and failures.

Inputs, outputs, the stream of responses, the JSON in strings and the errors are those of the real one. In
place of an engine there is arithmetic: what a picture shows is a digest of its bytes, so each label has a
likelihood of its own that does not depend on the place where it stands. Triton copies nothing of Fovea into
its environment, so this file imports nothing of it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as triton

CHOICE = re.compile(r"^([A-Z])\. (.*)$", re.MULTILINE)
LISTED = re.compile(r'"([^"]+)"')
MOST_LOGPROBS = 20
KNOWN = {"temperature", "max_tokens", "logprobs", "top_p", "seed"}
RETURNS = ("finish_reason", "logprobs", "num_input_tokens", "num_output_tokens")


class TritonPythonModel:
    """What the Python backend looks for."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read from the configuration which picture it takes, and how it is to misbehave."""
        config = json.loads(args["model_config"])
        parameters = {key: each["string_value"] for key, each in config["parameters"].items()}
        assert triton.using_decoupled_model_transaction_policy(config)
        self._behaviour = parameters["behaviour"]
        self._placeholder = parameters["placeholder"]
        self._folder = Path(args["model_repository"]) / args["model_version"]

    def execute(self, requests: list[Any]) -> None:
        """Answer each request on a thread of its own, whenever it is ready."""
        for request in requests:
            threading.Thread(target=self._answer, args=(request,)).start()

    def _answer(self, request: Any) -> None:
        sender = request.get_response_sender()
        final = triton.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        try:
            response = self._generated(request, sender)
        except Exception as error:  # noqa: BLE001  (as the real one: its caller is to hear of it)
            said = triton.TritonError(f"Error generating stream: {error}")
            nothing = triton.Tensor("text_output", np.asarray(["N/A"], dtype=object))
            response = triton.InferenceResponse(output_tensors=[nothing], error=said)
        sender.send(response, flags=final)

    def _generated(self, request: Any, sender: Any) -> Any:
        if self._behaviour == "unhealthy":
            raise RuntimeError("Model is unavailable due to unhealthy vLLM engine")
        self._dawdle(sender)
        prompt = _first(request, "text_input").decode("utf-8")
        pictures = triton.get_input_tensor_by_name(request, "image").as_numpy()
        images = [base64.b64decode(each.decode("utf-8"), validate=True) for each in pictures]
        if prompt.count(self._placeholder) != len(images):
            raise ValueError("Failed to apply prompt replacement for mm_items['image'][0]")
        if not all(each.startswith(b"\xff\xd8") for each in images):
            raise ValueError("cannot identify image file")
        sampling = json.loads(_first(request, "sampling_parameters").decode("utf-8"))
        allowed = self._allowed(sampling)
        wanted = {name: bool(_first(request, f"return_{name}", default=False)) for name in RETURNS}
        text, tokens = _said(prompt, images[0], sampling, allowed)
        if not bool(_first(request, "exclude_input_in_output", default=False)):
            text = prompt + text
        return triton.InferenceResponse(output_tensors=self._tensors(text, tokens, wanted))

    def _dawdle(self, sender: Any) -> None:
        if self._behaviour == "slow":
            for _ in range(100):
                time.sleep(0.05)
                if sender.is_cancelled():
                    (self._folder / "cancelled").touch()
                    raise RuntimeError("Request was cancelled")

    def _allowed(self, sampling: dict[str, Any]) -> list[str]:
        """Return the answers that are allowed; parameters that it does not know are none at all."""
        guide = "guided_decoding" if self._behaviour == "old" else "structured_outputs"
        guides = json.loads(sampling[guide]) if guide in sampling else {"choice": []}
        if sampling.keys() - KNOWN - {guide}:
            raise AttributeError("'NoneType' object has no attribute 'lora_name'")
        if sampling.get("logprobs", 0) > MOST_LOGPROBS:
            raise ValueError(
                f"Requested sample logprobs of {sampling['logprobs']}, which is greater than max allowed: 20"
            )
        return list(guides["choice"])

    def _tensors(self, text: str, tokens: Any, wanted: dict[str, bool]) -> list[Any]:
        if self._behaviour == "huge":
            text = "A" * 3_000_000
        written = json.dumps(None if self._behaviour == "untold" else tokens)
        if self._behaviour == "garbage":
            written = '[{"1": {"logprob":'
        if self._behaviour == "certain":
            written = json.dumps([{"1": {"logprob": 3.0, "rank": 1, "decoded_token": "A"}}])
        values = {
            "finish_reason": np.asarray([b"length"], dtype=object),
            "logprobs": np.asarray([written.encode()], dtype=object),
            "num_input_tokens": np.asarray(321, dtype=np.uint32),
            "num_output_tokens": np.asarray([1], dtype=np.uint32),
        }
        output = [triton.Tensor("text_output", np.asarray([text.encode()], dtype=object))]
        return output + [triton.Tensor(name, values[name]) for name in RETURNS if wanted[name]]


def _first(request: Any, name: str, *, default: Any = None) -> Any:
    tensor = triton.get_input_tensor_by_name(request, name)
    return default if tensor is None else tensor.as_numpy()[0]


def _said(prompt: str, image: bytes, sampling: dict[str, Any], allowed: list[str]) -> tuple[str, Any]:
    """Return what the model writes, and the likely first tokens if they were asked for."""
    choices = dict(CHOICE.findall(prompt))
    if not choices:
        names = sorted(set(LISTED.findall(prompt)), key=lambda name: -score(image, name))
        return json.dumps(names), None
    likely = sorted(_vocabulary(image, choices).items(), key=lambda each: -each[1])
    written = next(token for token, _ in likely if not allowed or token in allowed)
    if "logprobs" not in sampling:
        return written, None
    listed = [*likely[: sampling["logprobs"]], *(each for each in likely if each[0] == written)]
    ranks = [token for token, _ in likely]
    return written, [
        {
            str(100 + ranks.index(token)): {
                "logprob": value,
                "rank": ranks.index(token) + 1,
                "decoded_token": token,
            }
            for token, value in listed
        }
    ]


def _vocabulary(image: bytes, choices: dict[str, str]) -> dict[str, float]:
    scores = {letter: math.exp(score(image, label)) for letter, label in choices.items()}
    total = sum(scores.values()) / 0.85
    tokens = {"The": math.log(0.1), "It": math.log(0.05)}
    for letter, each in scores.items():
        tokens[letter] = math.log(0.25 * each / total)
        tokens[f" {letter}"] = math.log(0.75 * each / total)
    return tokens


def score(image: bytes, label: str) -> float:
    """Return how likely a label is for a picture, in nats: anything, and always the same."""
    return int.from_bytes(hashlib.sha256(image + label.encode()).digest()[:4], "big") / 2**32 * 5
