"""Answers in the shapes that servers are documented to give."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.ranking.adapters.remote.letters import read_letters
from tests.fakes.openai_behaviours import says
from tests.fakes.openai_server import OpenAiServer
from tests.unit.ranking.adapters.remote.endpoint import answered

RECORDED: dict[str, dict[str, Any]] = {
    "openai": {
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "B", "refusal": None, "annotations": []},
                "logprobs": {
                    "content": [
                        {
                            "token": "B",
                            "logprob": -0.105,
                            "bytes": [66],
                            "top_logprobs": [
                                {"token": "B", "logprob": -0.105, "bytes": [66]},
                                {"token": "A", "logprob": -2.5, "bytes": [65]},
                                {"token": " B", "logprob": -6.1, "bytes": [32, 66]},
                            ],
                        }
                    ],
                    "refusal": None,
                },
                "finish_reason": "length",
            }
        ],
        "model": "gpt-4o-2024-08-06",
        "usage": {
            "prompt_tokens": 812,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
    },
    "vllm": {
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "reasoning_content": None, "content": "B", "tool_calls": []},
                "logprobs": {
                    "content": [
                        {
                            "token": "B",
                            "logprob": -0.11,
                            "bytes": [66],
                            "top_logprobs": [
                                {"token": "B", "logprob": -0.11, "bytes": [66]},
                                {"token": "A", "logprob": -2.4, "bytes": [65]},
                                {"token": "C", "logprob": -9999.0, "bytes": [67]},
                            ],
                        }
                    ]
                },
                "finish_reason": "length",
                "stop_reason": None,
            }
        ],
        "model": "Qwen/Qwen2-VL-7B-Instruct",
        "usage": {"prompt_tokens": 388, "total_tokens": 389, "completion_tokens": 1},
        "prompt_logprobs": None,
    },
    "llama.cpp": {
        "choices": [
            {
                "finish_reason": "length",
                "index": 0,
                "message": {"role": "assistant", "content": "B"},
                "logprobs": {
                    "content": [
                        {
                            "id": 33,
                            "token": "B",
                            "bytes": [66],
                            "logprob": -0.09,
                            "top_logprobs": [
                                {"id": 33, "token": "B", "bytes": [66], "logprob": -0.09},
                                {"id": 32, "token": "A", "bytes": [65], "logprob": -2.6},
                            ],
                        }
                    ]
                },
            }
        ],
        "usage": {"completion_tokens": 1, "prompt_tokens": 640, "total_tokens": 641},
        "timings": {"prompt_n": 640},
    },
}
"""The shapes that these servers are documented to answer in."""


@pytest.mark.parametrize("server", RECORDED)
def test_the_documented_answers_of_servers_are_read(fake: OpenAiServer, server: str) -> None:
    fake.behaviours.append(says(json.dumps(RECORDED[server]).encode()))

    told = answered(fake)

    assert told.listed is not None
    letters = read_letters(told.listed, 3)
    assert letters is not None
    assert letters.bounded == (2,)
    a, b, c = letters.log_probabilities
    assert b > a > c
    assert told.tokens > 300
