"""Whom to ask: any language or vision-language model, and what came of it, bounded and without surprises."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

MOST_ANSWER: Final = 4_000
"""Characters that are looked at of an answer, whatever a model writes."""
_NO_ANSWER: Final = re.compile(
    r"""^(
        (i\s+)?(can\s?not|can't|couldn't|could\snot)\s+(\w+\s+)?(tell|say|see|determine|identify|know|be\s\w+)\b.*
      | (i\s+)?(do\snot|don't)\s+(know|see)\b.*
      | (i\s*(am|'m)\s+)?(not\ssure|unsure|unable\sto)\b.*
      | (it\s+is\s+|it's\s+)?not\s(\w+ly\s+)?
        (visible|clear|known|specified|applicable|determined|shown|certain|available|present|seen)\b.*
      | (it\s+is\s+|it's\s+)?(un(clear|known|specified|determined|certain)|indetermina(te|ble))\b.*
      | (it\s+is\s+|it's\s+)?(impossible|not\spossible|hard|difficult)\s+to\b.*
      | n\s?/?\s?a | none | nil | null | nothing | other | no\sanswer | \?+ | -+
      | sorry\b.* | as\san\sai\b.*
    )$""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


class ModelError(Exception):
    """A model did not answer; what was answered before is kept, and a later run goes on from there."""


class CannotAnswerError(ModelError):
    """A model cannot answer questions of this kind at all."""


@dataclass(frozen=True)
class Question:
    """What a model is asked.

    Attributes:
        template: Name and version of the wording: `extract@1`.
        text: All that it reads.
        picture: Bytes of a picture file, or None.
        choices: If it is to choose, from these.
        most_tokens: Of the answer.
    """

    template: str
    text: str
    picture: bytes | None = None
    choices: tuple[str, ...] = ()
    most_tokens: int = 200

    @property
    def prompt(self) -> str:
        """Digest of the question without its picture."""
        said = [self.template, self.text, list(self.choices), self.most_tokens]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]

    @property
    def image(self) -> str:
        """Digest of its picture; empty without one."""
        return hashlib.sha256(self.picture).hexdigest() if self.picture is not None else ""


@runtime_checkable
class Answerer(Protocol):
    """A language or vision-language model."""

    @property
    def identity(self) -> str:
        """`name@digest`, or `name@address` where the digest is not to be had."""
        ...

    def answer(self, question: Question) -> str:
        """Return whatever the model writes. Raises ModelError."""
        ...


def plain(answer: str) -> str:
    """Return an answer as one bounded line without what no terminal and no prompt should meet."""
    bounded = unicodedata.normalize("NFC", answer[:MOST_ANSWER])
    kept = "".join(
        each if unicodedata.category(each)[0] != "C" else " " if each in "\n\r\t" else "" for each in bounded
    )
    return " ".join(kept.split())


def tells(answer: str) -> bool:
    """Return whether an answer says anything, and not in some words that it cannot tell."""
    said = plain(answer).strip("\"'`.,;:!()[]{}<>*_ ")
    return bool(said) and not _NO_ANSWER.match(said.replace("\u2019", "'"))


def listed(answer: str, *, most: int, longest: int) -> tuple[str, ...]:
    """Return the entries of a list that a model wrote, as JSON or in lines, whatever stands around it.

    Args:
        answer: Anything.
        most: Entries; more are left out.
        longest: Characters of an entry; a longer one is a sentence, and left out.
    """
    bounded = answer[:MOST_ANSWER]
    found = _json_list(bounded)
    if found is None:
        lines = bounded.splitlines() if "\n" in bounded.strip() else bounded.split(",")
        found = [re.sub(r"^\s*([-*\u2022]|\(?\d{1,3}[.):])\s*", "", each) for each in lines]
    entries: dict[str, str] = {}
    for each in found:
        entry = plain(each).strip("\"'`.,;:* ")
        if entry and len(entry) <= longest and tells(entry):
            entries.setdefault(entry.casefold(), entry)
    return tuple(entries.values())[:most]


def _json_list(text: str) -> list[str] | None:
    begin, end = text.find("["), text.rfind("]")
    if not 0 <= begin < end:
        return None
    try:
        found = json.loads(text[begin : end + 1])
    except (json.JSONDecodeError, RecursionError):
        return None
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else None


def chosen(answer: str, choices: tuple[str, ...]) -> str | None:
    """Return which choice an answer names; None if none, or more than one."""
    said = plain(answer).strip("\"'`.,;: ").casefold()
    exact = [each for each in choices if each.casefold() == said]
    if exact:
        return exact[0]
    inside = [each for each in choices if re.search(rf"(?<!\w){re.escape(each.casefold())}(?!\w)", said)]
    longest = [each for each in inside if not any(each != other and each in other for other in inside)]
    return longest[0] if len(longest) == 1 else None
