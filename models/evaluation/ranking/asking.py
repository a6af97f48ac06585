"""The models that ship, opened to be asked as the service asks them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from models.data.cache import cache_folder
from models.evaluation import encoders
from models.evaluation.encoders import STORE, Model, NoSuchModel
from models.evaluation.ranking.evidence import PAIRS, Kept, Pairs, Source, Words
from models.evaluation.ranking.letters import LETTERS, NAMES, LanguageModel, Lettered, Named
from models.evaluation.ranking.looks import Looks
from models.ranking.joining import RETRIEVAL, Weights

_T = TypeVar("_T")


class Shipped:
    """Everybody who can say something of candidates, and how much each counts.

    Args:
        store: Where models are.
    """

    def __init__(self, store: Path = STORE) -> None:
        self._cache = cache_folder().parent / "ranking"
        self.encoder = encoders.trained(store)
        self.looks = Looks(self.encoder, Model("fovea-local", store), self._cache)
        self.left_out: list[str] = []
        self.pairs = self._opened("exemplars", lambda: Pairs(Model("fovea-pairs", store), self.looks))
        self.words = Words(self.encoder, self.looks)
        self.language = self._opened("letters", lambda: self._language(store))
        self.weights = self._weights(store)
        self.sources = tuple(self._sources())

    def _sources(self) -> list[Kept]:
        found: list[Source] = []
        if self.pairs is not None:
            found += [self.pairs, self.words]
        if self.language is not None and self.language.mode != NAMES:
            found.append(Lettered(self.language))
        if self.language is not None and self.language.mode != LETTERS:
            found.append(Named(self.language))
        return [self.kept(each) for each in found]

    def kept(self, source: Source) -> Kept:
        """Return a source whose answers are kept in the cache."""
        return Kept(source, self._cache)

    def _opened(self, what: str, open_: Callable[[], _T]) -> _T | None:
        try:
            return open_()
        except NoSuchModel as error:
            self.left_out.append(f"Left out: *{what}* ({error}).")
            return None

    def _language(self, store: Path) -> LanguageModel:
        ranker = Model("fovea-ranker", store)
        return LanguageModel(ranker, Model(str(ranker.table("ranking")["projector"]), store), self.looks)

    def _weights(self, store: Path) -> Weights:
        """Return what the ranker's description says; without one exemplar pictures count like retrieval."""
        try:
            own = tuple(Model("fovea-ranker", store).table("ranking").get("weights", ()))
        except NoSuchModel:
            own = ()
        return Weights(own or ({RETRIEVAL: 1.0, PAIRS: 1.0},))
