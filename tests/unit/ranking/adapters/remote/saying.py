"""Remote rankers over a server that says what a test wants, and over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from models.ranking.chats import PLAIN, Chat
from services.kernel.errors import FoveaError
from services.ranking.adapters.openai import OpenAiEndpoint, OpenAiSettings
from services.ranking.adapters.remote.asking import Answered, Asked
from services.ranking.adapters.remote.ranker import RemoteRanker, RemoteSettings
from services.ranking.adapters.remote.wire import WireSettings
from services.ranking.domain.asking import Judgement
from tests.fakes.openai_server import MODEL, OpenAiServer

LABELS = ("blue", "red", "green", "white")


@dataclass
class Saying:
    """A server that says what a function makes of a prompt."""

    answer: Callable[[Asked], Answered | FoveaError]
    chat: Chat = PLAIN
    asked: list[Asked] = field(default_factory=list)

    def ask(self, asked: Asked) -> Answered:
        self.asked.append(asked)
        answer = self.answer(asked)
        if isinstance(answer, FoveaError):
            raise answer
        return answer

    def identity(self) -> str:
        return "saying@1"

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def over_http(fake: OpenAiServer, settings: RemoteSettings | None = None) -> Iterator[RemoteRanker]:
    endpoint = OpenAiEndpoint(OpenAiSettings(WireSettings(fake.url), MODEL))
    with closing(RemoteRanker(endpoint, settings)) as ranker:
        yield ranker


def judged(answers: object) -> Judgement:
    assert isinstance(answers, list)
    (answer,) = answers
    assert isinstance(answer, Judgement)
    return answer


def listing(*tokens: tuple[str, float], text: str = "A") -> Callable[[Asked], Answered]:
    return lambda asked: Answered(text, tokens if asked.letters else None, "saying@1", 10)
