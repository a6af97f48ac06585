"""What is asked, as versioned data; one that a model was trained on is never changed: it gets a successor.

`render("letters@1", Content(("barn owl", "tawny owl"), domain="bird species"))` is a prompt.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from models.ranking.chats import CHATML, Chat
from models.ranking.escaping import DESCRIPTION_LENGTH, LABEL_LENGTH, bounded, shortened
from models.ranking.pieces import Control, Image, Piece, Prompt, Text, joined

LETTERS: Final = tuple(string.ascii_uppercase)
MOST_LISTED: Final = 100
"""Names in a list that a model writes; the likelihoods of more are not worth their tokens."""


class Reading(Enum):
    """What is done with the answer."""

    LETTER = "letter"
    NAME = "name"
    LIST = "list"


@dataclass(frozen=True)
class Template:
    """One way to ask.

    Placeholders: `{k}` names, `{domain}`, `{letter}`, `{label}`, `{description}`, `{list}`. Whatever is put
    there is escaped.

    Attributes:
        name: With its version.
        reading: What is done with the answer.
        lead: Behind the image, if no domain is stated.
        lead_domain: If one is.
        choice: A line for each name; empty: none.
        described: The line of a name with a description.
        example: A line for the worked example; empty: it takes none.
        close: The last line of the question.
        answer: How the answer begins.
    """

    name: str
    reading: Reading
    lead: str
    lead_domain: str
    choice: str = ""
    described: str = ""
    example: str = ""
    close: str = ""
    answer: str = ""


TEMPLATES: Final[Mapping[str, Template]] = MappingProxyType(
    {
        template.name: template
        for template in (
            Template(
                "letters@1",
                Reading.LETTER,
                lead="\nWhich of these is it?",
                lead_domain="\nWhich of these {domain} is it?",
                choice="\n{letter}. {label}",
                described="\n{letter}. {label}: {description}",
                answer="Answer:",
            ),
            Template(
                "names@1",
                Reading.NAME,
                lead="\nWhat is it?",
                lead_domain="\nWhich {domain} is it?",
            ),
            Template(
                "choice@1",
                Reading.LETTER,
                lead="\nWhich of these does the picture show?",
                lead_domain="\nWhich of these {domain} does the picture show?",
                choice="\n{letter}. {label}",
                described="\n{letter}. {label}: {description}",
                close="\nAnswer with the letter and nothing else.",
            ),
            Template(
                "open@1",
                Reading.NAME,
                lead="\nWhat does the picture show? Answer with its name and nothing else.",
                lead_domain="\nWhich {domain} does the picture show? Answer with the name and nothing else.",
            ),
            Template(
                "list@1",
                Reading.LIST,
                lead="\nYou tell apart what looks alike. Sort these {k} names by how well each fits the "
                "picture, the best first:\n[{list}]",
                lead_domain="\nYou are an expert on {domain}. Sort these {k} by how well each fits the "
                "picture, the best first:\n[{list}]",
                described='\n"{label}": {description}',
                example="\nAn answer to another picture looked like this: [{list}]",
                close="\nAnswer with these {k} names in one such list and write nothing else.",
            ),
        )
    }
)


@dataclass(frozen=True)
class Content:
    """What a template is filled with.

    Attributes:
        labels: The candidates in the order in which they are shown.
        descriptions: One line or "" for each; empty: none at all.
        domain: What they are, in the plural or as "bird species"; "" leaves it out.
        example: Labels of the worked example, in the order that was right for its picture.
        label_length: Characters of a label that are shown.
        description_length: Characters of a description that are shown; 0 leaves descriptions out.
    """

    labels: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    domain: str = ""
    example: tuple[str, ...] = ()
    label_length: int = LABEL_LENGTH
    description_length: int = DESCRIPTION_LENGTH

    def __post_init__(self) -> None:
        if self.descriptions and len(self.descriptions) != len(self.labels):
            raise ValueError(f"{len(self.descriptions)} descriptions for {len(self.labels)} labels")

    def described(self) -> tuple[tuple[str, str], ...]:
        """Return each label with its description."""
        shown = self.descriptions if self.description_length else ()
        return tuple(zip(self.labels, shown or ("",) * len(self.labels), strict=True))


def render(template: str, content: Content = Content(), *, chat: Chat = CHATML) -> Prompt:
    """Return the prompt. Raises ValueError if there is no such template or it shows not so many names."""
    if template not in TEMPLATES:
        raise ValueError(f"there is no template {template!r}, but {', '.join(sorted(TEMPLATES))}")
    chosen = TEMPLATES[template]
    _check(chosen, len(content.labels))
    return chat.wrap(_question(chosen, content), chosen.answer)


def letters(count: int) -> tuple[str, ...]:
    """Return what is read behind `letters@1`: " A", " B", …, each one token. Raises ValueError beyond Z."""
    if not 0 < count <= len(LETTERS):
        raise ValueError(f"{count} candidates; letters there are for 1 to {len(LETTERS)}")
    return tuple(f" {letter}" for letter in LETTERS[:count])


def branch(label: str, *, length: int = LABEL_LENGTH, end: str = "<|im_end|>", gap: str = "") -> Prompt:
    """Return what `names@1` scores for one candidate: its name, and that the answer ends there."""
    return joined((Text(gap + bounded(label, length)), Control(end)))


def listed(labels: Sequence[str], length: int = LABEL_LENGTH) -> str:
    """Return names as `list@1` shows them, without the brackets."""
    return ", ".join(f'"{quoted(label, length)}"' for label in labels)


def quoted(label: str, length: int = LABEL_LENGTH) -> str:
    """Return a label as it stands between quotes."""
    return bounded(label, length, also='"')


def _question(template: Template, content: Content) -> list[Piece]:
    k = str(len(content.labels))
    domain = bounded(content.domain, LABEL_LENGTH)
    lead = template.lead_domain if content.domain else template.lead
    names = listed(content.labels, content.label_length) if "{list}" in lead else ""
    text = lead.format(k=k, domain=domain, list=names)
    mark = ":" if template.reading is Reading.LETTER else '"'
    if template.choice or template.described:
        for i, (label, description) in enumerate(content.described()):
            line = template.described if description else template.choice
            text += line.format(
                letter=LETTERS[i] if template.reading is Reading.LETTER else "",
                label=bounded(label, content.label_length, also=mark),
                description=shortened(description, content.description_length),
            )
    if content.example and template.example:
        text += template.example.format(list=listed(content.example, content.label_length))
    return [Image(), Text(text + template.close.format(k=k))]


def _check(template: Template, count: int) -> None:
    if template.reading is Reading.LETTER:
        letters(count)
    elif template.reading is Reading.LIST and not 0 < count <= MOST_LISTED:
        raise ValueError(f"{count} candidates; {template.name} lists 1 to {MOST_LISTED}")
