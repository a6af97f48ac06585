"""What is written down of the settings is what the classes say."""

from __future__ import annotations

from infra.local.stack import SERVICES as STARTED
from infra.settings import PAGE, ROOT, SERVICES, page, tables
from services.runtime.settings import ProcessSettings


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run python -m infra.settings"


def test_every_setting_of_every_service_is_there_and_says_what_it_means() -> None:
    assert SERVICES.keys() == STARTED.keys()
    classes: list[type[ProcessSettings]] = [ProcessSettings, *SERVICES.values()]
    for settings in classes:
        for name, info in settings.model_fields.items():
            assert f"| `FOVEA_{name.upper()}` |" in tables()
            assert info.description, name


def test_nothing_is_promised_of_an_empty_variable_that_counts_as_not_set() -> None:
    for settings in SERVICES.values():
        for name, info in settings.model_fields.items():
            if "empty:" in (info.description or ""):
                assert not info.default, f"{name} cannot be emptied from the environment"


def test_no_page_names_this_machine() -> None:
    assert str(ROOT) not in tables()
