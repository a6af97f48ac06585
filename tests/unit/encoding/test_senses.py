"""Which encoders a process has, by its settings and by what the models say of themselves."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from services.encoding.assembly import open_senses
from services.encoding.settings import EncodingSettings
from services.kernel.errors import InvalidInput, NotFound, Unsupported
from services.runtime.model_execution.store import ModelStore
from services.runtime.settings import SettingsError

OLD = {
    "image_model": "efficientnet-lite0",
    "bridge_model": "conse-imagenet-minilm",
    "text_model": "all-minilm-l6-v2",
    "local_model": "",
    "regions_model": "",
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with a second text model, of a space of its own, and a tower that sees looks and names."""
    shipped = EncodingSettings().model_folder
    for name in ("efficientnet-lite0", "conse-imagenet-minilm", "all-minilm-l6-v2"):
        shutil.copytree(shipped / name, tmp_path / name)
    renamed(tmp_path, "all-minilm-l6-v2", "runes", {'space = "name"': 'space = "runes.names"'})
    renamed(
        tmp_path,
        "efficientnet-lite0",
        "tower",
        {
            'space = "visual"': 'space = "runes"',
            "range = [-inf, inf]\n": 'range = [-inf, inf]\nspace = "runes.names"\n',
            "[graph]": '[crops]\nfit = "stretch"\n\n[graph]',
        },
    )
    return tmp_path


def renamed(store: Path, name: str, other: str, words: dict[str, str]) -> None:
    shutil.copytree(store / name, store / other)
    described = (
        (store / other / "1" / "model.toml").read_text().replace(f'name = "{name}"', f'name = "{other}"')
    )
    for old, new in words.items():
        assert old in described
        described = described.replace(old, new)
    (store / other / "1" / "model.toml").write_text(described)


def test_what_ships_reads_densely_into_the_space_of_the_encoder_that_ships() -> None:
    settings = EncodingSettings()
    tiled = open_senses(settings).tiled

    assert tiled is not None
    global_model = ModelStore(settings.model_folder).open(settings.image_model)
    assert tiled.outputs["embeddings"] == global_model.spaces()["embeddings"]
    assert set(tiled.encoders.values()) == {global_model.identity}


def test_the_pair_of_before_sees_with_a_bridge(store: Path) -> None:
    senses = open_senses(EncodingSettings.load(model_folder=store, **OLD))

    (eye,) = senses.sights
    assert dict(eye.outputs) == {"embeddings": "visual"}
    assert [(each.output, each.space) for each in senses.readings] == [("embeddings", "name")]
    assert senses.tiled is None


def test_an_imported_pair_stands_beside_it_in_spaces_of_its_own(store: Path) -> None:
    settings = EncodingSettings.load(
        model_folder=store, **OLD, more_image_models="tower", more_text_models="runes"
    )

    senses = open_senses(settings)

    assert [dict(each.outputs) for each in senses.sights] == [
        {"embeddings": "visual"},
        {"embeddings": "runes", "logits": "runes.names"},
    ]
    assert senses.sights[1].preparation.fit == "stretch"
    assert [each.space for each in senses.readings] == ["name", "runes.names"]


def test_its_looks_alone_may_be_served_in_another_space(store: Path) -> None:
    settings = EncodingSettings.load(model_folder=store, **OLD, more_image_models="elsewhere=tower/1")

    (_, eye) = open_senses(settings).sights

    assert (eye.name, dict(eye.outputs)) == ("tower/1", {"embeddings": "elsewhere"})


@pytest.mark.parametrize(
    "more",
    [
        {"more_image_models": "tower,again=tower,tower"},
        {"more_image_models": "tower", "image_space": "runes"},
        {"more_text_models": "all-minilm-l6-v2"},
    ],
)
def test_two_encoders_of_one_space_are_refused_with_what_to_do(store: Path, more: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="give one of them another, as SPACE=MODEL") as caught:
        open_senses(EncodingSettings.load(model_folder=store, **OLD, **more))

    assert caught.value.reason == "SPACE_TAKEN"


def test_what_triton_has_and_this_store_has_not_is_asked_for_looks_in_the_space_that_is_named(
    store: Path,
) -> None:
    def opened(more: str) -> object:
        url = "127.0.0.1:1"
        return open_senses(
            EncodingSettings.load(model_folder=store, **OLD, triton_url=url, more_image_models=more)
        )

    assert "elsewhere" in repr(opened("elsewhere=theirs"))
    with pytest.raises(NotFound, match=re.escape("there is no model theirs")):
        opened("theirs")


def test_models_that_make_no_maps_are_refused(store: Path) -> None:
    dense = {**OLD, "local_model": "all-minilm-l6-v2", "regions_model": "conse-imagenet-minilm"}

    with pytest.raises(Unsupported, match="all-minilm-l6-v2 does not make maps of tiles") as caught:
        open_senses(EncodingSettings.load(model_folder=store, **dense))

    assert caught.value.reason == "MODEL_KIND"


def test_dense_reading_can_be_switched_off_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOCAL", "REGIONS"):
        monkeypatch.setenv(f"FOVEA_{name}_MODEL", "none")

    senses = open_senses(EncodingSettings.load())

    assert senses.tiled is None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"local_model": "a", "regions_model": ""}, "FOVEA_LOCAL_MODEL are of no use without each other"),
        ({"local_model": "", "regions_model": "a"}, "FOVEA_LOCAL_MODEL are of no use without each other"),
        (
            {"local_model": "", "regions_model": "", "region_reading": "dense"},
            "is dense, which takes FOVEA_LOCAL_MODEL",
        ),
        ({"region_reading": "foggy"}, "FOVEA_REGION_READING"),
        ({"map_tiles": 7}, "FOVEA_MAP_TILES"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        EncodingSettings.load(**wrong)
