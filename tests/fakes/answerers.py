"""Models that answer as they are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from models.attributes.asking import ModelError, Question


@dataclass
class Told:
    """Answers with what a function makes of the question, and remembers all questions."""

    says: Callable[[Question], str]
    identity: str = "told@1"
    asked: list[Question] = field(default_factory=list)
    fails_after: int | None = None

    def answer(self, question: Question) -> str:
        if self.fails_after is not None and len(self.asked) >= self.fails_after:
            raise ModelError("gone")
        self.asked.append(question)
        return self.says(question)
