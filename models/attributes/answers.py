"""Answers that models gave, kept by content, so that nobody is asked the same twice and no run is lost."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from models.attributes.asking import MOST_ANSWER, Answerer, Question


class KeptAnswers:
    """Asks a model what it was not asked before; each answer is on disk before the next question.

    The file is JSON lines, to which is only appended; a last line that a crash cut off is passed over.

    Args:
        model: Whom to ask.
        path: Where the answers are kept.
    """

    def __init__(self, model: Answerer, path: Path) -> None:
        self._model = model
        self._path = path
        self._known = dict(_read(path))
        self.asked = 0

    @property
    def identity(self) -> str:
        """The model's."""
        return self._model.identity

    def answer(self, question: Question) -> str:
        """Return the answer, kept or new. Raises ModelError, OSError."""
        key = key_of(self.identity, question)
        if key not in self._known:
            answer = self._model.answer(question)[:MOST_ANSWER]
            self.asked += 1
            self._keep(key, question, answer)
            self._known[key] = answer
        return self._known[key]

    def _keep(self, key: str, question: Question, answer: str) -> None:
        told = {
            "key": key,
            "model": self.identity,
            "template": question.template,
            "image": question.image,
            "answer": answer,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            if file.tell() and not _ends_whole(self._path):
                file.write(b"\n")
            file.write(json.dumps(told).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def key_of(identity: str, question: Question) -> str:
    """Return what an answer is kept by: the model, what it was asked, and of which picture."""
    said = [identity, question.prompt, question.image]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _read(path: Path) -> Iterator[tuple[str, str]]:
    if not path.is_file():
        return
    for line in path.read_bytes().split(b"\n"):
        try:
            found = json.loads(line)
            yield str(found["key"]), str(found["answer"])
        except (ValueError, KeyError, TypeError):
            continue
