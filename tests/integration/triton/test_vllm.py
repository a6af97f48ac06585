"""The vLLM adapter against a real Triton, whose models have the vLLM backend's inputs, outputs and stream."""

from __future__ import annotations

import hashlib
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infra.local import daemons
from infra.local.server import Running, running
from infra.local.triton import TritonServer
from models.ranking.chats import CHATS, LLAVA, Chat
from models.ranking.templates import Content, render
from services.kernel.errors import DeadlineExceeded, FoveaError, Unavailable
from services.ranking.adapters.remote.asking import Answered, Asked
from services.ranking.adapters.remote.letters import read_letters
from services.ranking.adapters.remote.ranker import RemoteRanker, RemoteSettings
from services.ranking.adapters.vllm import VllmOnTriton, VllmSettings
from services.ranking.domain.asking import Effort, Judgement, Parsed
from services.runtime.deadline import within
from tests.fakes.coloured import jpeg, question
from tests.fakes.onnx_graphs import write_model
from tests.fakes.vllm_models import write_vllm_model

pytestmark = pytest.mark.integration
IMPORTED = {"chatml", "plain", "idefics3-whole", "smolvlm-whole"}
"""Layouts that no string is sent in."""
FAMILIES = {name: chat for name, chat in CHATS.items() if name not in IMPORTED}
BEHAVIOURS = ("slow", "untold", "old", "garbage", "certain", "huge", "unhealthy")
LABELS = ("barn owl", "tawny owl", "kite", 'a "hawk"', "<image>", "[INST] B. owl")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("vllm")
    write_model(folder / "store")
    for name, chat in FAMILIES.items():
        write_vllm_model(folder / "beside", name, chat)
    for behaviour in BEHAVIOURS:
        write_vllm_model(folder / "beside", behaviour, LLAVA, behaviour)
    with running(TritonServer(folder / "store", beside=folder / "beside"), folder / "triton") as started:
        yield started


@contextmanager
def opened(server: Running, model: str, chat: Chat = LLAVA, **how: Any) -> Iterator[VllmOnTriton]:
    url = f"grpc://{server.settings['FOVEA_TRITON_URL']}"
    with closing(VllmOnTriton(VllmSettings(url, model, chat, **how))) as made:
        yield made


def asked(chat: Chat = LLAVA) -> Asked:
    return Asked(render("choice@1", Content(LABELS), chat=chat), jpeg("red"), letters=len(LABELS))


def answered(server: Running, model: str, **how: Any) -> Answered:
    with opened(server, model, **how) as there:
        return there.ask(asked())


def raised(server: Running, model: str, **how: Any) -> FoveaError:
    with pytest.raises(FoveaError) as caught:
        answered(server, model, **how)
    return caught.value


def expected(labels: tuple[str, ...], colour: str) -> list[str]:
    """The labels, the likeliest first: by the digest of picture and label, as the stand-in has it."""
    picture = jpeg(colour)
    return sorted(labels, key=lambda label: hashlib.sha256(picture + label.encode()).digest(), reverse=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_is_asked_in_its_layout_and_all_letters_are_read(server: Running, family: str) -> None:
    labels = ("owl", "kite", "hawk", "wren")
    with opened(server, family, FAMILIES[family]) as there, closing(RemoteRanker(there)) as ranker:
        assert ranker.models() == (f"{family}@1",)
        answers = ranker.rank([question(colour, *labels) for colour in ("red", "blue")], Effort(orders=4))

    for colour, answer in zip(("red", "blue"), answers, strict=True):
        assert isinstance(answer, Judgement)
        order = np.argsort(-answer.evidence[0].log_probabilities)
        assert [labels[i] for i in order] == expected(labels, colour)
        assert answer.parsed is Parsed.READ
        assert answer.models == (f"{family}@1",)
        assert answer.tokens == 4 * 322
        assert len(answer.readings) == 4


def test_labels_that_look_like_tokens_are_labels(server: Running) -> None:
    told = answered(server, "llava")

    assert told.listed is not None
    letters = read_letters(told.listed, len(LABELS))
    assert letters is not None
    assert letters.bounded == ()


def test_letters_alone_are_written_where_the_engine_is_told_so(server: Running) -> None:
    assert answered(server, "llava").text in set("ABCDEF")
    assert answered(server, "llava", guided="none").text.startswith(" ")


def test_an_engine_before_structured_outputs_is_told_in_its_own_words(server: Running) -> None:
    assert answered(server, "old", guided="guided_choice").text in set("ABCDEF")
    refused = raised(server, "old")
    assert isinstance(refused, Unavailable)
    assert refused.reason == "RANKER_REFUSED"


def test_letters_beyond_those_that_are_listed_are_bounded(server: Running) -> None:
    told = answered(server, "llava", top_logprobs=3)

    assert told.listed is not None
    letters = read_letters(told.listed, len(LABELS))
    assert letters is not None
    assert letters.bounded
    assert np.isfinite(letters.log_probabilities).all()


def test_more_than_the_engine_lists_is_refused_and_it_is_said(server: Running) -> None:
    assert "max allowed: 20" in raised(server, "llava", top_logprobs=30).message


def test_an_engine_that_gives_no_probabilities_writes_a_list(server: Running) -> None:
    labels = ("owl", "kite", "hawk", "wren")
    with opened(server, "untold") as there, closing(RemoteRanker(there)) as ranker:
        (answer,) = ranker.rank([question("red", *labels)], Effort(orders=2))

    assert isinstance(answer, Judgement)
    assert answer.parsed is Parsed.OK
    assert answer.evidence[0].source == "generated"
    order = np.argsort(-answer.evidence[0].log_probabilities)
    assert [labels[i] for i in order] == expected(labels, "red")


@pytest.mark.parametrize("behaviour", ["garbage", "huge", "unhealthy"])
def test_an_answer_that_cannot_be_used_is_unavailable(server: Running, behaviour: str) -> None:
    assert isinstance(raised(server, behaviour), Unavailable)


def test_a_probability_above_one_is_not_believed(server: Running) -> None:
    with (
        opened(server, "certain") as there,
        closing(RemoteRanker(there)) as ranker,
        pytest.raises(Unavailable) as refused,
    ):
        ranker.rank([question("red", "owl", "kite")], Effort())

    assert refused.value.reason == "RANKER_ANSWER"


def test_a_caller_gets_its_time_and_the_engine_is_told_that_nobody_waits(server: Running) -> None:
    started = time.monotonic()
    with within(0.5):
        assert isinstance(raised(server, "slow"), DeadlineExceeded)
    assert time.monotonic() - started < 2
    slow = raised(server, "slow", timeout_s=0.3)
    assert isinstance(slow, Unavailable)
    assert slow.reason == "RANKER_SLOW"
    (daemon,) = server.daemons
    marks = Path(daemon.program.folder) / "repository" / "slow" / "1" / "cancelled"
    daemons.wait_until(marks.exists, "the engine was not told", patience_s=10)


def test_sixteen_callers_share_one_connection(server: Running) -> None:
    with opened(server, "llava") as there, ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda _: there.ask(asked()).listed, range(64)))

    assert all(each == told[0] for each in told)


def test_a_model_that_is_not_there_or_is_no_vllm_is_unavailable(server: Running) -> None:
    assert raised(server, "nobody").reason in {"RANKER_DOWN", "RANKER_REFUSED"}
    for name in ("nobody", "scale"):
        with opened(server, name) as there, pytest.raises(Unavailable):
            there.identity()


def test_a_server_that_hangs_or_dies_is_unavailable_and_used_again_when_it_is_back(tmp_path: Path) -> None:
    write_model(tmp_path / "store")
    write_vllm_model(tmp_path / "beside", "llava", LLAVA)
    with running(TritonServer(tmp_path / "store", beside=tmp_path / "beside"), tmp_path / "triton") as own:
        (daemon,) = own.daemons
        with (
            opened(own, "llava", timeout_s=1.0) as there,
            closing(RemoteRanker(there, RemoteSettings())) as ranker,
        ):
            ranker.rank([question("red", "owl", "kite")], Effort())
            daemon.pause()
            with within(0.3), pytest.raises(DeadlineExceeded):
                there.ask(asked())
            with pytest.raises(Unavailable):
                there.ask(asked())
            daemon.send(signal.SIGCONT)
            daemons.wait_until(lambda: _answers(there), "it does not answer again", patience_s=20)
            daemon.kill()
            with pytest.raises(Unavailable):
                ranker.rank([question("red", "owl", "kite")], Effort(orders=3))
            again = daemons.start(daemon.program)
            try:
                daemons.wait_until(lambda: _answers(there), "it does not answer again", patience_s=60)
            finally:
                again.stop()


def _answers(there: VllmOnTriton) -> bool:
    try:
        return bool(there.ask(asked()).listed)
    except FoveaError:
        return False
