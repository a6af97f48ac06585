"""Orders candidates by asking a model on somebody's server, once for each order in which they are shown."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.ranking.joining import log_ranks
from models.ranking.letters import Read, averaged
from models.ranking.orders import Order, orders
from models.ranking.parsing import parse
from models.ranking.pieces import digest
from models.ranking.templates import Content, render
from services.kernel.errors import DeadlineExceeded, FoveaError, InvalidInput, Unavailable
from services.ranking.adapters.remote.asking import Answered, Asked, Server
from services.ranking.adapters.remote.letters import read_letters
from services.ranking.adapters.remote.naming import Naming
from services.ranking.adapters.remote.pictures import jpeg_of
from services.ranking.domain.asking import (
    Effort,
    Evidence,
    Judgement,
    Mode,
    Parsed,
    Question,
    Reading,
    Terms,
)
from services.runtime import deadline

LETTER_TEMPLATE: Final = "choice@1"
LIST_TEMPLATE: Final = "list@1"
_AWAY: Final = {"RANKER_DOWN", "RANKER_SLOW", "RANKER_BUSY", "RANKER_NOT_ALLOWED", "RANKER_NOT_TRUSTED"}
"""Reasons for which nobody else need be asked in vain."""
_LOOK_S: Final = 0.25
"""How often to look whether the caller still waits."""
_MOST_TEXT: Final = 4096
_MOST_LIST_TOKENS: Final = 2048


@dataclass(frozen=True)
class RemoteSettings:
    """How a server is used.

    Args:
        letters: Whether letters' probabilities are asked for; else the model writes a list.
        generates: Whether it writes one where the server gives no probabilities.
        picture_px: Longer side of the pictures that are sent.
        concurrent: Questions under way at a time.
    """

    letters: bool = True
    generates: bool = True
    picture_px: int = 768
    concurrent: int = 4


class RemoteRanker:
    """Asks a server; close it to let its threads and connections go.

    Args:
        server: Whom to ask.
        settings: How.
    """

    def __init__(self, server: Server, settings: RemoteSettings | None = None) -> None:
        self._server = server
        self._settings = settings or RemoteSettings()
        self._name = Naming(server.identity)
        self._pool = ThreadPoolExecutor(self._settings.concurrent, thread_name_prefix="ranker")

    def models(self) -> tuple[str, ...]:
        """Return what the server says that its model is, or said a moment ago."""
        return (self._name(),)

    def terms(self) -> Terms:
        """Return on what terms it can be asked: a picture costs hundreds of tokens, each next to nothing."""
        return Terms(
            modes=(Mode.LETTERS,),
            picture_px=self._settings.picture_px,
            prompt_tokens=640,
            label_tokens=4,
            call_s=0.25,
            token_s=0.0002,
        )

    def rank(self, questions: Sequence[Question], effort: Effort) -> Sequence[Judgement | FoveaError]:
        """Return what the model says of each question; see the port."""
        deadline.check()
        plans = [self._plan(question, effort) for question in questions]
        told = self._asked([plan for plan in plans if isinstance(plan, _Plan)])
        answers = [plan if isinstance(plan, FoveaError) else _judged(plan, told[id(plan)]) for plan in plans]
        self._raise_if_none(answers)
        return answers

    def start(self) -> None:
        """Do nothing: threads and connections come when the first question does."""

    def close(self) -> None:
        """Let threads and connections go; what is under way ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._server.close()

    def _plan(self, question: Question, effort: Effort) -> _Plan | FoveaError:
        try:
            picture = jpeg_of(question.picture, question.region, most_px=self._settings.picture_px)
            shown = orders(question.labels, count=effort.orders, seed=effort.seed)
            return _Plan(question, picture, shown)
        except InvalidInput as error:
            return error
        except ValueError as error:
            return InvalidInput(f"the candidates cannot be asked about: {error}", field="candidates")

    def _asked(self, plans: Sequence[_Plan]) -> Mapping[int, list[_Told | FoveaError]]:
        """Ask all questions, each in its first order before any in its second; stop when time does."""
        told: dict[int, list[_Told | FoveaError]] = {id(plan): [] for plan in plans}
        most = max((len(plan.orders) for plan in plans), default=0)
        waiting: dict[Future[_Told], int] = {}
        for turn in range(most):
            for plan in plans:
                if turn < len(plan.orders):
                    run = contextvars.copy_context().run
                    waiting[self._pool.submit(run, self._one, plan, plan.orders[turn])] = id(plan)
        for future in _finished(waiting):
            answer = _outcome(future)
            told[waiting[future]].append(answer)
            if isinstance(answer, FoveaError) and answer.reason in _AWAY:
                for given_up in filter(Future.cancel, waiting):
                    told[waiting[given_up]].append(answer)
        return told

    def _one(self, plan: _Plan, order: Order) -> _Told:
        """Ask one question in one order."""
        spent = 0
        if self._settings.letters:
            answered, prompt_digest = self._put(plan, order, LETTER_TEMPLATE)
            letters = _letters(answered, len(order))
            if letters is not None:
                template = f"{LETTER_TEMPLATE}+{self._server.chat.name}"
                return _Told(order, letters, answered, _Prompt(template, prompt_digest), Parsed.READ)
            if not self._settings.generates:
                raise Unavailable("the ranker gives no probability of any letter", reason="RANKER_ANSWER")
            spent = answered.tokens
        answered, prompt_digest = self._put(plan, order, LIST_TEMPLATE)
        found = parse(answered.text[:_MOST_TEXT], plan.question.labels)
        template = f"{LIST_TEMPLATE}+{self._server.chat.name}"
        said = log_ranks(found.order, found.named)
        places = tuple(float(said[label]) for label in order)
        told = _Prompt(template, prompt_digest)
        return _Told(order, places, answered, told, Parsed(found.status.value), spent)

    def _put(self, plan: _Plan, order: Order, template: str) -> tuple[Answered, str]:
        """Return what the server answers, and the digest of what it was asked."""
        question, letters = plan.question, template == LETTER_TEMPLATE
        labels = tuple(question.labels[i] for i in order)
        descriptions = tuple(question.descriptions[i] for i in order) if question.descriptions else ()
        prompt = render(template, Content(labels, descriptions), chat=self._server.chat)
        asked = Asked(
            prompt,
            plan.picture,
            letters=len(order) if letters else 0,
            most_tokens=1 if letters else _list_tokens(labels),
        )
        return self._server.ask(asked), digest(prompt)

    @staticmethod
    def _raise_if_none(answers: Sequence[Judgement | FoveaError]) -> None:
        """Raise what befell all questions, if it is not their own fault."""
        errors = [answer for answer in answers if isinstance(answer, FoveaError)]
        others = [error for error in errors if not isinstance(error, InvalidInput)]
        if others and len(errors) == len(answers):
            raise others[0]


@dataclass(frozen=True, eq=False)
class _Plan:
    """A question, its picture as it is sent, and the orders to ask in."""

    question: Question
    picture: bytes
    orders: tuple[Order, ...]


@dataclass(frozen=True)
class _Prompt:
    """What is recorded of a prompt."""

    template: str
    digest: str


@dataclass(frozen=True, eq=False)
class _Told:
    """What came of one order: the log-probability at each place."""

    order: Order
    places: tuple[float, ...]
    answered: Answered
    prompt: _Prompt
    parsed: Parsed
    spent: int = 0

    def reading(self) -> Reading:
        """Return what is recorded of it."""
        if self.parsed is Parsed.READ:
            return Reading(self.order, self.places)
        return Reading(self.order, text=self.answered.text[:_MOST_TEXT])


def _judged(plan: _Plan, told: Sequence[_Told | FoveaError]) -> Judgement | FoveaError:
    """Return what the orders say together; letters alone where some orders gave letters."""
    good = [each for each in told if isinstance(each, _Told)]
    if not good:
        return next((each for each in told if isinstance(each, FoveaError)), _too_late())
    read = [each for each in good if each.parsed is Parsed.READ]
    used = sorted(read or good, key=lambda each: plan.orders.index(each.order))
    found = averaged([Read(each.order, np.array(each.places)) for each in used], len(plan.question.labels))
    if not found.used:
        return Unavailable(
            f"the ranker's answers cannot be used: {found.left_out[0]}", reason="RANKER_ANSWER"
        )
    return Judgement(
        evidence=(Evidence("letters" if read else "generated", found.log_probabilities),),
        readings=tuple(each.reading() for each in used),
        models=tuple(dict.fromkeys(each.answered.model for each in used)),
        template=used[0].prompt.template,
        prompt_digest=used[0].prompt.digest,
        parsed=max((each.parsed for each in used), key=list(Parsed).index),
        tokens=sum(each.answered.tokens + each.spent for each in good),
    )


def _letters(answered: Answered, count: int) -> tuple[float, ...] | None:
    """Return the letters' log-probabilities, if the server gave any. Raises Unavailable."""
    if answered.listed is None:
        return None
    try:
        letters = read_letters(answered.listed, count)
    except ValueError as error:
        raise Unavailable(f"the ranker's answer cannot be used: {error}", reason="RANKER_ANSWER") from error
    return None if letters is None else letters.log_probabilities


def _list_tokens(labels: Sequence[str]) -> int:
    """Return what a list of these may take: a token has two characters or more, and a frame around each."""
    return min(_MOST_LIST_TOKENS, 16 + sum(8 + len(label) // 2 for label in labels))


def _finished(waiting: Mapping[Future[_Told], int]) -> Iterator[Future[_Told]]:
    """Yield what is done and not cancelled, as long as there is time; the rest is given up."""
    left = set(waiting)
    try:
        while left:
            done, _ = wait(left, timeout=_patience_s(), return_when=FIRST_COMPLETED)
            for future in done:
                if not future.cancelled():
                    yield future
            left = {future for future in left - done if not future.cancelled()}
            if left and not _is_wanted():
                return
    finally:
        for future in left:
            future.cancel()


def _is_wanted() -> bool:
    """Return whether there is time left. Raises DeadlineExceeded if nobody waits for the answer."""
    try:
        deadline.check()
    except DeadlineExceeded:
        if deadline.remaining_s() == 0.0:
            return False
        raise
    return True


def _patience_s() -> float:
    left_s = deadline.remaining_s()
    return _LOOK_S if left_s is None else min(_LOOK_S, left_s)


def _outcome(future: Future[_Told]) -> _Told | FoveaError:
    """Return what came of one; whatever is no error of the platform's is a fault here, and raised."""
    error = future.exception()
    if isinstance(error, FoveaError):
        return error
    return future.result()


def _too_late() -> FoveaError:
    return DeadlineExceeded("the ranker had no answer before the time was used up")
