import pytest

from services.kernel.vocabulary import SpaceVote
from services.retrieval.settings import RetrievalSettings
from services.runtime.settings import SettingsError


def test_votes_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEA_VISUAL_TEMPERATURE", "0.1")
    monkeypatch.setenv("FOVEA_VISUAL_REFERENCE", "0.4")
    monkeypatch.setenv("FOVEA_VISUAL_WEIGHT", "2")
    monkeypatch.setenv("FOVEA_NEIGHBOURS_PER_SPACE", "7")

    voting = RetrievalSettings.load().voting

    assert voting.votes[0] == SpaceVote("visual", weight=2.0, temperature=0.1, reference=0.4)
    assert voting.votes[1].space == "name"
    assert voting.neighbours == 7


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", "0"), ("weight", "-1"), ("reference", "1.5"), ("weight", "nan")]
)
def test_votes_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"FOVEA_VISUAL_{name.upper()}", value)

    with pytest.raises(SettingsError, match=name.upper()):
        RetrievalSettings.load()
