from dataclasses import replace
from pathlib import Path

import pytest

from models.data.sets.emoji import MAIN_ARTISTS
from models.evaluation.metrics import Mean, Share
from models.evaluation.protocols import artists, names, tones
from models.evaluation.protocols.latency import REGIONS, Rate, Stage
from models.evaluation.protocols.scenes import Found
from models.evaluation.protocols.shots import SHOTS, FewShot
from models.evaluation.report import page
from models.evaluation.suite import DENSE, FOLD, POOLED, RAW, SHIPPED, Results, SetUsed
from tests.fakes.subjects import LabelSubject
from tests.unit.models.evaluation.test_protocols import by_artist, emoji


@pytest.fixture(scope="module")
def results() -> Results:
    pictures, judge = emoji(toned=True), LabelSubject(RAW)
    blind = LabelSubject(POOLED, by_artist, knows_names=False)
    fold, shipped = LabelSubject(FOLD), LabelSubject(SHIPPED)
    photographs = [names.photographs(pictures, subject, judge) for subject in (judge, shipped)]
    return Results(
        sets=(SetUsed("emoji", 18, "0" * 64),),
        across=tuple(artists.ask(pictures, {artist: [blind, judge, fold] for artist in MAIN_ARTISTS})),
        unseen=tuple(
            each
            for subject in (judge, shipped)
            for each in names.unseen(pictures, MAIN_ARTISTS, subject, judge)
        ),
        photographs=tuple(each for each in photographs if each is not None),
        tones=tuple(
            tones.tell(pictures, artist, subject)
            for artist in MAIN_ARTISTS
            for subject in (blind, judge, fold)
        ),
        drawn_shots=tuple(FewShot(SHIPPED, count, 6, Mean(0.5, 0.1, 5)) for count in SHOTS),
        textile_shots=tuple(FewShot(SHIPPED, count, 3, Mean(0.4, 0.1, 5)) for count in SHOTS),
        found=tuple(
            Found(f"{DENSE}: {how}", Share(hits, 4), Share(4, 4)) for how, hits in (("one", 1), ("all", 3))
        ),
        stages=(Stage("decode", 1.0, 2.0),),
        rates=tuple(
            Rate(way, count, speed) for way, speed in (("crops", 10.0), ("dense", 40.0)) for count in REGIONS
        ),
        left_out=(),
    )


def test_the_page_has_every_number_and_its_plots(results: Results, tmp_path: Path) -> None:
    page.write(results, tmp_path)

    text = (tmp_path / "quality.md").read_text(encoding="utf-8")
    assert "{{" not in text
    assert "| ratio | 4.0x |" in text
    assert f"| {FOLD} | 100.0 | 100.0 | 100.0 | 100.0 (82\N{EN DASH}100) |" in text
    assert "25.0, 75.0" in text  # scenes, in the summary
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == [
        "quality-groups.svg",
        "quality-recall.svg",
        "quality-shots.svg",
    ]


def test_the_same_results_give_the_same_bytes(results: Results, tmp_path: Path) -> None:
    for folder in ("first", "second"):
        page.write(results, tmp_path / folder)

    for path in (tmp_path / "first").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "second" / path.relative_to(tmp_path / "first")).read_bytes()


def test_what_was_left_out_is_said_at_the_top_and_in_the_summary(results: Results, tmp_path: Path) -> None:
    fewer = replace(
        results,
        across=tuple(each for each in results.across if each.subject != FOLD),
        tones=tuple(each for each in results.tones if each.subject != FOLD),
        found=(),
        rates=results.rates[: len(REGIONS)],
        left_out=("Left out by request: some rows.",),
    )

    page.write(fewer, tmp_path)

    text = (tmp_path / "quality.md").read_text(encoding="utf-8")
    assert "| ratio |" not in text
    assert text.index("Left out by request") < text.index("## In one table")
    assert page.summary(fewer).count("left out") == 4
