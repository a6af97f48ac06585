"""The page on ranking says what the code says."""

from pathlib import Path

from services.ranking.domain.ladder import LADDER
from services.ranking.settings import RankingSettings

PAGE = (Path(__file__).parents[4] / "docs" / "ranking.md").read_text(encoding="utf-8")


def test_the_ladder_is_the_one_of_the_code() -> None:
    rows = [f"| `{rung.name}` | {rung.when} | {rung.answered} |" for rung in LADDER]

    assert "\n".join(rows) in PAGE


def test_every_setting_that_it_names_exists() -> None:
    named = [word.split("`")[1] for word in PAGE.splitlines() if word.startswith("| `FOVEA_")]

    assert named
    assert {name.removeprefix("FOVEA_").lower() for name in named} <= RankingSettings.model_fields.keys()
