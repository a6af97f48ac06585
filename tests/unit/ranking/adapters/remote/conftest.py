"""A server that speaks the OpenAI protocol."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.openai_server import OpenAiServer, serving


@pytest.fixture
def fake() -> Iterator[OpenAiServer]:
    with serving(OpenAiServer()) as served:
        yield served
