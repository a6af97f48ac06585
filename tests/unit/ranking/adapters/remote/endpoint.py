"""Asking an OpenAI-compatible server through the endpoint, and what it raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from models.ranking.chats import PLAIN
from models.ranking.templates import Content, render
from services.kernel.errors import FoveaError
from services.ranking.adapters.openai import OpenAiEndpoint, OpenAiSettings
from services.ranking.adapters.remote.asking import Answered, Asked, Guided
from services.ranking.adapters.remote.wire import WireSettings
from tests.fakes.coloured import jpeg
from tests.fakes.openai_server import MODEL, Behaviour, OpenAiServer

KEY = "sk-never-shown-0123456789"
LABELS = ("blue", "red", "green")
ASKED = Asked(render("choice@1", Content(LABELS), chat=PLAIN), jpeg("red"), letters=3)


@contextmanager
def opened(
    fake: OpenAiServer, *, key: str = "", guided: Guided = "none", top: int = 20, **more: Any
) -> Iterator[OpenAiEndpoint]:
    wire = WireSettings(fake.url, SecretStr(key), **more)
    with closing(OpenAiEndpoint(OpenAiSettings(wire, MODEL, top, guided))) as endpoint:
        yield endpoint


def answered(fake: OpenAiServer, **how: Any) -> Answered:
    with opened(fake, **how) as endpoint:
        return endpoint.ask(ASKED)


def raised(fake: OpenAiServer, behaviour: Behaviour | None = None, **how: Any) -> FoveaError:
    fake.behaviours += [behaviour] if behaviour else []
    with pytest.raises(FoveaError) as caught:
        answered(fake, **how)
    return caught.value
