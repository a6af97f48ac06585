"""The tokenizer and the layout of a language model that sees pictures, from its folder.

No template of a folder is run: it is code. Which layout it is shows in its text, and whether tokens come out
as the publishers' tokenizer makes them is tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, get_args

from transformers import PreTrainedTokenizerFast

from models.importer.folder import CheckpointFolder
from models.importer.rankers.families import Family, RankerCheckpoint
from models.importer.refusal import Refused
from models.importer.tokens import FILE
from models.ranking.chats import Blanks, Chat, begun
from models.ranking.pieces import Control, Image, Prompt, as_text
from models.ranking.templates import LETTERS, Content, letters, render
from models.text.literal import LiteralTokenizer, literal

TEMPLATE: Final = "choice@1"
_MOST_TEMPLATE: Final = 1 << 16
_FILES: Final = (FILE, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
ASKED: Final = Content(
    ("barn owl", "Tawny Owl's chick", "naïve café", "日本語 🐧"), ("", "brown, 12 cm", "", 'x: "y" <z>')
)
"""What both tokenizers must agree on."""


@dataclass(frozen=True)
class Reading:
    """How a prompt becomes the tokens of a checkpoint.

    Attributes:
        content: Of the `tokenizer.json` that adds nothing.
        chat: The layout.
        begin: The special token before all; empty: none.
        blanks: Where the publishers' tokenizer adds blanks.
        end: The special token behind an answer.
    """

    content: str
    chat: Chat
    begin: str
    blanks: Blanks
    end: str

    def prompt(self, content: Content = ASKED) -> Prompt:
        """Return the prompt that serving makes."""
        return begun(render(TEMPLATE, content, chat=self.chat), begin=self.begin, blanks=self.blanks)

    def ids(self, prompt: Prompt, *, image: int) -> list[int]:
        """Return the tokens, with one for the picture."""
        tokens = LiteralTokenizer.from_text(self.content)
        found: list[int] = []
        for piece in prompt:
            if isinstance(piece, Image):
                found.append(image)
            elif isinstance(piece, Control):
                found.append(tokens.control(piece.token))
            else:
                found += tokens.encode(piece.text)
        return found


def reading_of(checkpoint: RankerCheckpoint) -> Reading:
    """Return how prompts become tokens, as transformers does it.

    Raises:
        Refused: The layout is not known, or no way was found that gives the same tokens.
    """
    folder, image = checkpoint.folder, checkpoint.image_token
    chat = _chat(folder, checkpoint.family)
    content, reference = _tokenizers(folder)
    if reference.convert_tokens_to_ids(chat.image) != image:
        raise Refused(
            f"{folder.path / FILE} has {chat.image} as another token than {image}, the configuration's"
        )
    wanted = reference(as_text(render(TEMPLATE, ASKED, chat=chat), image=chat.image))["input_ids"]
    for found in _candidates(content, chat, reference):
        try:
            same = found.ids(found.prompt(), image=image) == wanted
        except KeyError as error:
            raise Refused(f"{folder.path / FILE} has no token {error}, which {chat.name} needs") from error
        if same:
            _one_token_a_letter(folder, found)
            return found
    raise Refused(f"{folder.path / FILE} does not give the tokens that transformers gives for this folder")


def _tokenizers(folder: CheckpointFolder) -> tuple[str, Any]:
    """Return the tokenizer that adds nothing, and transformers' own."""
    for name in _FILES:
        if folder.has(name):
            folder.file(name)  # which looks where it lies
    if not folder.has(FILE):
        raise Refused(f"{folder.path} has no {FILE}; save it with a fast tokenizer first")
    try:
        reference: Any = PreTrainedTokenizerFast.from_pretrained(str(folder.path), local_files_only=True)
        content = literal(folder.file(FILE).read_text(encoding="utf-8"))
    except Exception as error:  # transformers raises what it finds
        raise Refused(f"{folder.path} has no tokenizer that can be opened: {error}") from error
    if not reference.eos_token:
        raise Refused(f"{folder.path} does not say which token ends an answer")
    return content, reference


def _candidates(content: str, chat: Chat, reference: Any) -> Iterator[Reading]:
    first = reference("x")["input_ids"][:1]
    begin = reference.bos_token if reference.bos_token and first == [reference.bos_token_id] else ""
    for blanks in get_args(Blanks):
        yield Reading(content, chat, begin, blanks, reference.eos_token)


def _one_token_a_letter(folder: CheckpointFolder, reading: Reading) -> None:
    tokens = LiteralTokenizer.from_text(reading.content)
    written = {letter: tokens.encode(letter) for letter in letters(len(LETTERS))}
    if any(len(each) != 1 for each in written.values()) or len(set(written.values())) != len(LETTERS):
        raise Refused(f"{folder.path / FILE} has no token of its own for each letter behind a blank")


def _chat(folder: CheckpointFolder, family: Family) -> Chat:
    """Return the layout whose mark stands in the folder's template."""
    template = _template(folder)
    found = [chat for mark, chat in family.chats.items() if mark in template]
    if not template and family.unsaid:
        return family.unsaid
    if len(found) != 1:
        raise Refused(
            f"the chat template of {folder.path} is none that is known; known are those of {family.title} "
            f"with {', '.join(family.chats)}"
        )
    return found[0]


def _template(folder: CheckpointFolder) -> str:
    if folder.has("chat_template.jinja"):
        path = folder.file("chat_template.jinja")
        if path.stat().st_size > _MOST_TEMPLATE:
            raise Refused(f"{path} has {path.stat().st_size} bytes, which is no template")
        return path.read_text(encoding="utf-8", errors="replace")
    for name in ("chat_template.json", "processor_config.json", "tokenizer_config.json"):
        said = folder.json(name).get("chat_template") if folder.has(name) else None
        if isinstance(said, str) and said:
            return said
    return ""
