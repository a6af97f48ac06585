"""What a model on a server is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, runtime_checkable

from models.ranking.chats import Chat
from models.ranking.pieces import Prompt

Guided = Literal["structured_outputs", "guided_choice", "none"]
"""How a server is told that letters alone may be answered, if it can be."""

MOST_ANSWER_BYTES: Final = 1 << 20
"""Of one answer; longer ones are not read."""
MOST_SAID: Final = 200
"""Characters of what a server says of itself that go into an error."""


@dataclass(frozen=True)
class Asked:
    """One question to a server.

    Attributes:
        prompt: With the place of one picture.
        picture: A JPEG.
        letters: How many may be answered; 0 for text of any kind.
        most_tokens: That it may write.
    """

    prompt: Prompt
    picture: bytes = field(repr=False)
    letters: int = 0
    most_tokens: int = 1


@dataclass(frozen=True)
class Answered:
    """What came back.

    Attributes:
        text: What the model wrote.
        listed: Likely first tokens with their log-probabilities; None if the server gives none.
        model: `name@version`, as the server says it.
        tokens: Read and written, as the server counts them.
    """

    text: str
    listed: tuple[tuple[str, float], ...] | None
    model: str
    tokens: int = 0


@runtime_checkable
class Server(Protocol):
    """A model on a server; safe to use from many threads."""

    @property
    def chat(self) -> Chat:
        """How questions are wrapped before they are sent."""
        ...

    def ask(self, asked: Asked) -> Answered:
        """Return the answer. Raises Unavailable, Overloaded, DeadlineExceeded."""
        ...

    def identity(self) -> str:
        """Return `name@version` of the model. Raises Unavailable."""
        ...

    def close(self) -> None:
        """Let the connections go."""
        ...


def said(text: object) -> str:
    """Return the beginning of what a server says, on one line and printable."""
    line = " ".join(str(text)[: 4 * MOST_SAID].split())
    return "".join(mark if mark.isprintable() else "?" for mark in line)[:MOST_SAID]
