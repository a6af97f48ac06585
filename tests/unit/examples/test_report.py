"""The demonstration's report: one file, nothing to fetch, nothing that breaks out."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from examples.demo.findings import Findings, Setup
from examples.demo.modes import MODES, Answer, Guess, Round
from examples.demo.report import page
from examples.demo.report.evidence import evidence, how
from examples.demo.report.wording import duration
from examples.demo.sheets import COLUMNS, ROWS, SheetAnswer, draw
from examples.demo.task import Picture, divide
from fovea.client import (
    Box,
    Candidate,
    Evidence,
    FoveaError,
    Gate,
    ImageInfo,
    Judgement,
    Neighbour,
    RankedLabel,
    Recognition,
    Region,
    Stage,
    Status,
)

HOSTILE = '<script>alert("1")</script>'


def test_the_page_holds_pictures_and_fetches_nothing(tmp_path: Path) -> None:
    written = page(findings(tmp_path))

    assert "data:image/webp;base64," in written
    assert not re.search(r'(?:src|href)="(?!data:)|url\(|@import', written)


def test_a_label_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    written = page(findings(tmp_path))

    assert HOSTILE not in written
    assert "&lt;script&gt;" in written


def test_every_picture_says_what_it_shows(tmp_path: Path) -> None:
    images = re.findall(r"<img [^>]*>", page(findings(tmp_path)))

    assert images
    assert all(re.search(r'alt="[^"]+"', image) for image in images)


def test_a_failed_query_is_shown_with_its_reason(tmp_path: Path) -> None:
    assert "failed: the image is damaged" in page(findings(tmp_path))


def test_a_card_says_what_each_source_prefers_and_how_much_it_counts() -> None:
    said = Evidence("pairs", 0.6, (RankedLabel("wren", 0.2), RankedLabel("robin", 0.8)))
    judged = Judgement((said,), mode="pictures", duration_s=0.0143)
    region = replace(recognition().regions[0], status=Status.RANKED, rung="", judgement=judged)

    shown = re.sub(r"<[^>]+>", " ", evidence(region, truth="wren"))

    assert " ".join(shown.replace("\N{NARROW NO-BREAK SPACE}", "").split()) == (
        "Who said what pairs weight 0.6 robin 80% wren 20%"
    )
    assert 'class="truth">wren' in evidence(region, truth="wren")
    assert how(region).endswith("Asked by pictures, 14.3\N{NARROW NO-BREAK SPACE}ms.")


def test_a_card_says_why_retrievals_order_stands() -> None:
    region = recognition().regions[0]

    assert "Retrieval's order stands: degraded, no_ranker." in evidence(region, truth="wren")
    trusted = replace(region, status=Status.TRUSTED_RETRIEVAL, rung="")
    assert "so sure that no model was asked" in evidence(trusted, truth="wren")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.00032, "320 µs"), (0.0143, "14.3 ms"), (0.9996, "1000 ms"), (2.1, "2.10 s"), (123, "123 s")],
)
def test_a_duration_has_three_digits_and_its_unit(seconds: float, words: str) -> None:
    assert duration(seconds).replace("\N{NARROW NO-BREAK SPACE}", " ") == words


def findings(folder: Path) -> Findings:
    Image.new("RGBA", (8, 8), "red").save(folder / "picture.png")
    pictures = [
        Picture(label, "group", vendor, folder / "picture.png")
        for label in ("wren", HOSTILE)
        for vendor in ("noto", "twemoji")
    ]
    task = divide(pictures, teacher="noto", held_out=0, seed=0)
    rounds = tuple(
        Round(mode, answers(pictures), guesses(pictures), {"w": pictures[0]}, 2, 1, 1, (0.01, 0.02))
        for mode in MODES
    )
    return Findings(task, rounds, sheets(pictures), (), Setup("0.1.0", 2, 1.0, None), 3.0)


def sheets(pictures: list[Picture]) -> tuple[SheetAnswer, ...]:
    (sheet,) = draw(pictures[:1] * (COLUMNS * ROWS), seed=0)
    regions = recognition().regions * (COLUMNS * ROWS)
    return (SheetAnswer(sheet, replace(recognition(), regions=regions)),)


def answers(pictures: list[Picture]) -> tuple[Answer, ...]:
    failure = FoveaError("the image is damaged")
    failed = Answer(pictures[-1], known=True, recognition=Recognition("r", failure=failure))
    return (
        *(Answer(picture, known, recognition()) for picture in pictures[:-1] for known in (True, False)),
        failed,
    )


def guesses(pictures: list[Picture]) -> tuple[Guess, ...]:
    return tuple(Guess(("wren",), 0.5) for _ in answers(pictures))


def recognition() -> Recognition:
    votes = (Neighbour("w", "image", "visual", 0.8, 0.5), Neighbour("n", "name", "name", 0.3, 0.1))
    labels = (RankedLabel("wren", 0.6), RankedLabel(HOSTILE, 0.2))
    region = Region(
        "0",
        Box(0, 0, 8, 8),
        labels,
        0.2,
        Status.DEGRADED,
        "no_ranker",
        (Candidate("wren", 0.7, votes), Candidate(HOSTILE, 0.3, votes)),
        gates=(Gate("unknown", 0.2, 0.5, open=False, calibrated=False),),
    )
    stages = (Stage("encoding", "0.1.0", ("encoder@0123",), duration_s=0.02),)
    return Recognition("r", (region,), image=ImageInfo("d", "k", "image/png", 9, 8, 8), stages=stages)
