"""What a model that orders candidates says of itself, and the models that it needs to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol, runtime_checkable

from models.language.gguf import GgufError
from models.language.tokenizer import LanguageTokenizer
from models.ranking.chats import CHATML, CHATS, Chat
from models.ranking.templates import LETTERS, letters
from models.text.literal import LiteralTokenizer
from services.kernel.errors import Corrupt, Unsupported
from services.ranking.domain.asking import Mode
from services.runtime.model_execution.crops import Sight, preparation_of, sight
from services.runtime.model_execution.folder import Description, ModelFolder
from services.runtime.model_execution.opening import OpenedModels, Wanted
from services.runtime.model_execution.tables import Ordering
from services.runtime.model_execution.texts import Reading, reading

INPUTS: Final = frozenset(
    {"input_ids", "positions", "mask", "image_tokens", "image_places", "reads", "choices"}
)
OUTPUT: Final = "log_probabilities"
PATCHES: Final = "patches"
NAMES: Final = "names"
"""The output of what sees crops that is compared with texts."""


@runtime_checkable
class Tokens(Protocol):
    """Reads texts as the model does; a text never becomes a special token."""

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a text."""
        ...

    def control(self, name: str) -> int:
        """Return a special token. Raises KeyError."""
        ...


@dataclass(frozen=True)
class Described:
    """How candidates are ordered by models of the store.

    Attributes:
        ranker: The language model.
        ordering: What it says of itself.
        tokens: How it reads.
        sight: How crops are seen.
        seen: Inputs of the projector, and which output of `sight` goes there; none if it sees crops itself.
        letters: The token of each letter.
        image_tokens: How many the projector makes of a crop.
        chat: How questions are laid out.
        takes_patches: Whether the projector takes those of the local model.
        mode: How candidates are ordered unless somebody says otherwise.
        reading: How candidates' names are read to be compared with crops; None: they are not.
    """

    ranker: str
    ordering: Ordering
    tokens: Tokens
    sight: Sight
    seen: Mapping[str, str]
    letters: tuple[int, ...]
    image_tokens: int
    chat: Chat = CHATML
    takes_patches: bool = False
    mode: Mode = Mode.LETTERS
    reading: Reading | None = None

    @property
    def wanted(self) -> Wanted:
        """Which models take part; those whose descriptions decide must be the ones that were read."""
        exact = set() if self.mode is Mode.PICTURES else {self.ranker, self.ordering.projector}
        if self.reading is not None:
            exact.add(self.reading.name)
        names = exact | {self.sight.name} | ({self.ordering.local_model, self.ordering.pairs_model} - {""})
        return Wanted(frozenset(names), frozenset(exact))


def described(name: str, opened: OpenedModels, mode: str = "") -> Described:
    """Return how candidates are ordered with the model of this name; in another mode than its own, if said.

    Raises:
        NotFound: It, or a model that it needs, is not there.
        Corrupt: A file is not the one that its model describes.
        Unsupported: It does not order candidates, or one of the others does not fit it.
    """
    folder = opened(name)
    ordering = folder.description.ranking
    if ordering is None or not _orders(folder.description):
        raise Unsupported(
            f"{folder.name} does not order candidates: it needs the inputs {', '.join(sorted(INPUTS))}, the "
            f"output {OUTPUT}, and a table [ranking]",
            reason="MODEL_KIND",
        )
    if ordering.chat not in CHATS:
        raise Unsupported(f"{folder.name} wants the layout {ordering.chat}: not known", reason="MODEL_KIND")
    chosen = Mode(mode or ordering.mode)
    if chosen is Mode.PICTURES and not ordering.pairs_model:
        raise Unsupported(f"{folder.name} has no model that compares pictures", reason="MODE_NOT_SERVED")
    tokens = _tokens(folder)
    projector = opened(ordering.projector).description
    if ordering.image_model == ordering.projector:
        return replace(_seeing(name, ordering, tokens, projector), mode=chosen)
    seen = {each.name: each.name for each in projector.inputs if each.name != PATCHES}
    sees = sight(ordering.image_model, opened(ordering.image_model).description)
    taken = {each.name for each in projector.inputs}
    fits = set(seen) <= set(sees.outputs) and (PATCHES in taken) <= bool(ordering.local_model)
    if not fits or (ordering.pairs_model and not ordering.local_model):
        raise Unsupported(
            f"{projector.name} takes {', '.join(sorted(taken))}, which {ordering.image_model} and "
            f"{ordering.local_model or 'no other'} do not give",
            reason="MODEL_KIND",
        )
    count = projector.outputs[0].shape[1]
    chat = CHATS[ordering.chat]
    takes = PATCHES in taken
    found = Described(name, ordering, tokens, sees, seen, letter_tokens(tokens), count, chat, takes, chosen)
    return replace(found, reading=_reading(ordering, sees, opened))


def _reading(ordering: Ordering, sees: Sight, opened: OpenedModels) -> Reading | None:
    if not ordering.text_model:
        return None
    reads = reading(ordering.text_model, opened(ordering.text_model))
    if sees.outputs.get(NAMES) != reads.space or not ordering.pairs_model:
        raise Unsupported(
            f"{ordering.image_model} gives no {NAMES} in the space {reads.space}, in which "
            f"{ordering.text_model} reads, or there is no model that compares pictures",
            reason="MODEL_KIND",
        )
    return reads


def _seeing(name: str, ordering: Ordering, tokens: Tokens, projector: Description) -> Described:
    """Return how candidates are ordered if one model makes tokens of crops."""
    sees = Sight(ordering.projector, {}, preparation_of(projector))
    count, chat = projector.outputs[0].shape[1], CHATS[ordering.chat]
    return Described(name, ordering, tokens, sees, {}, letter_tokens(tokens), count, chat)


def _tokens(folder: ModelFolder) -> Tokens:
    path = folder.external("tokenizer")
    try:
        if path.suffix == ".json":
            return LiteralTokenizer.from_file(path)
        return LanguageTokenizer.from_file(path)
    except (GgufError, ValueError) as error:
        raise Corrupt(f"the tokenizer of {folder.name} cannot be read: {error}") from error


def letter_tokens(tokens: Tokens) -> tuple[int, ...]:
    """Return the token of each letter. Raises Unsupported if one takes more than one token."""
    found = [tokens.encode(letter) for letter in letters(len(LETTERS))]
    if any(len(each) != 1 for each in found):
        raise Unsupported("the tokenizer writes a letter as several tokens", reason="MODEL_KIND")
    return tuple(each for (each,) in found)


def _orders(described: Description) -> bool:
    return {each.name for each in described.inputs} == INPUTS and OUTPUT in {
        each.name for each in described.outputs
    }
