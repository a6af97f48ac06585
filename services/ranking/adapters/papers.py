"""Questions as rows of tokens, and the answers taken from what was read there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Final

import numpy as np
from jaxtyping import Float

from models.ranking.budget import fitted
from models.ranking.chats import begun
from models.ranking.joining import Weights, fault, feature
from models.ranking.letters import Read, averaged
from models.ranking.orders import Order, orders
from models.ranking.pieces import Prompt, digest
from models.ranking.templates import LETTERS, Content, branch, render
from models.ranking.tree import Row, Tokens, packed, read_letters, read_names, tokenised
from services.kernel.errors import FoveaError
from services.ranking.adapters.described import Described
from services.ranking.domain.asking import (
    Effort,
    Evidence,
    Judgement,
    Mode,
    Question,
    Reading,
    Terms,
)

EXEMPLARS: Final = 4
"""Pictures of each candidate that are compared with."""
_KEPT_TEXTS: Final = 256
_MODES: Final = (Mode.LETTERS, Mode.NAMES, Mode.BOTH)


@dataclass(eq=False)
class Paper:
    """One question laid out for the model, and what was read so far.

    Attributes:
        labels: How many candidates.
        rows: What the model reads; orders and names of one row are read together.
        shown: The orders of each row.
        template: Of the prompt whose digest is kept.
        prompt: The first one.
        cut: What had no room.
        read: By row, its output.
    """

    labels: int
    rows: Sequence[Row]
    shown: Sequence[Sequence[Order]]
    template: str
    prompt: Prompt
    cut: str
    read: dict[int, Float[np.ndarray, "r c"]] = field(default_factory=dict)

    def judgement(self, models: tuple[str, ...]) -> Judgement | FoveaError:
        """Return what the model says, or why it says nothing."""
        letters, names = list(self._letters()), list(self._names())
        letters = [each for each in letters if not fault(each.log_probabilities, self.labels)]
        evidence: list[Evidence] = []
        mean = averaged(letters, self.labels)
        if mean.used:
            evidence.append(Evidence("letters", np.asarray(mean.log_probabilities, dtype=np.float64)))
        evidence += [Evidence("names", feature(logs)) for logs in names if not fault(logs, self.labels)]
        if not evidence or len(evidence) < bool(self._asked_letters()) + bool(names):
            return FoveaError("the model gave no answer, but what is no number", reason="NO_ANSWER")
        in_order = tuple(range(self.labels))
        return Judgement(
            evidence=tuple(evidence),
            readings=(
                *(Reading(each.order, tuple(map(float, each.log_probabilities))) for each in letters),
                *(Reading(in_order, tuple(map(float, logs))) for logs in names),
            ),
            models=models,
            template=self.template,
            prompt_digest=digest(self.prompt),
            tokens=sum(self.rows[turn].size for turn in self.read),
            cut=self.cut,
        )

    def _asked_letters(self) -> int:
        return sum(len(self.shown[turn]) for turn in self.read)

    def _letters(self) -> Iterator[Read]:
        for turn, output in sorted(self.read.items()):
            read = read_letters(self.rows[turn], output, self.labels)
            for order, logs in zip(self.shown[turn], read, strict=True):
                yield Read(order, logs)

    def _names(self) -> Iterator[Float[np.ndarray, "k"]]:
        for turn, output in self.read.items():
            if self.rows[turn].paths:
                yield read_names(self.rows[turn], output)


class Papers:
    """Lays questions out.

    Args:
        described: How the model is asked.
    """

    def __init__(self, described: Described) -> None:
        self._described = described
        tokens = described.tokens
        self._tokens = partial(
            tokenised,
            encode=lru_cache(_KEPT_TEXTS)(tokens.encode),  # frames of prompts, and what was just counted
            control=tokens.control,
            image_tokens=described.image_tokens,
        )

    def terms(self) -> Terms:
        """Return on what terms the model can be asked; what a prompt costs is counted."""
        ordering = self._described.ordering
        one, two = (self._count(Content(("x",) * labels)) for labels in (1, 2))
        first = next((mode for mode in _MODES if mode.value == ordering.mode), Mode.NAMES)
        preparation = self._described.sight.preparation
        return Terms(
            modes=(first, *(mode for mode in _MODES if mode is not first)),
            most_labels=len(LETTERS),
            exemplars_per_label=EXEMPLARS if ordering.pairs_model else 0,
            picture_px=2 * max(preparation.size_px, preparation.resize_px),
            prompt_tokens=2 * one - two,
            label_tokens=two - one - 1,
            call_s=ordering.call_s,
            token_s=ordering.token_s,
            weights=Weights(ordering.weights),
        )

    def __call__(self, question: Question, effort: Effort) -> Paper:
        """Return the question as rows, none longer than the model's memory allows if that can be."""
        ordering = self._described.ordering
        content = Content(question.labels, question.descriptions)
        shown = self._shown(content, effort)
        first_order = _in_order(content, shown[0]) if shown else content
        fit = fitted(first_order, limit=ordering.row_tokens, count=self._count)
        content = replace(
            content, label_length=fit.content.label_length, description_length=fit.content.description_length
        )
        prompts = [self._prompt(ordering.template, _in_order(content, order)) for order in shown]
        named = self._prompt(ordering.names_template) if effort.mode is not Mode.LETTERS else None
        rows, grouped = self._rows(list(zip(shown, prompts, strict=True)), content, named)
        template = ordering.template if prompts else ordering.names_template
        first = prompts[0] if prompts else named or ()
        return Paper(len(question.labels), rows, grouped, template, first, fit.cut)

    def _shown(self, content: Content, effort: Effort) -> tuple[Order, ...]:
        if effort.mode is Mode.NAMES:
            return ()
        return orders(content.labels, count=effort.orders, seed=effort.seed)

    def _rows(
        self, prompts: Sequence[tuple[Order, Prompt]], content: Content, named: Prompt | None
    ) -> tuple[Sequence[Row], Sequence[Sequence[Order]]]:
        """Return as many orders in a row as there is room for; names stand in a row of their own."""
        rows: list[Row] = []
        grouped: list[list[Order]] = []
        group: list[tuple[Order, Tokens]] = []
        for order, prompt in prompts:
            tokens = self._tokens(prompt)
            taken = sum(len(each.ids) for _, each in group)
            if group and taken + len(tokens.ids) > self._described.ordering.row_tokens:
                rows.append(self._letters_row(group))
                grouped.append([each for each, _ in group])
                group = []
            group.append((order, tokens))
        if group:
            rows.append(self._letters_row(group))
            grouped.append([each for each, _ in group])
        if named is not None:
            end, gap = self._described.ordering.end, self._described.chat.gap
            names = [
                self._tokens(branch(label, length=content.label_length, end=end, gap=gap)).ids
                for label in content.labels
            ]
            rows.append(packed(question=self._tokens(named), names=names))
            grouped.append([])
        return rows, grouped

    def _letters_row(self, group: Sequence[tuple[Order, Tokens]]) -> Row:
        return packed([tokens for _, tokens in group], self._described.letters[: len(group[0][0])])

    def _count(self, content: Content) -> int:
        return len(self._tokens(self._prompt(self._described.ordering.template, content)).ids)

    def _prompt(self, template: str, content: Content | None = None) -> Prompt:
        """Return the prompt in the layout of the model's family."""
        ordering = self._described.ordering
        prompt = render(template, content or Content(), chat=self._described.chat)
        return begun(prompt, begin=ordering.begin, blanks=ordering.blanks)


def _in_order(content: Content, order: Order) -> Content:
    """Return the content with its candidates in this order."""
    descriptions = tuple(content.descriptions[i] for i in order) if content.descriptions else ()
    return replace(content, labels=tuple(content.labels[i] for i in order), descriptions=descriptions)
