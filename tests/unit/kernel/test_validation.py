import pytest

from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.validation import checked_collection, checked_id, checked_name, checked_text
from services.kernel.vocabulary import CollectionKey


def test_empty_parts_of_a_collection_key_stand_for_default() -> None:
    assert checked_collection(CollectionKey("", "")) == CollectionKey("default", "default")
    assert checked_collection(CollectionKey("acme", "")) == CollectionKey("acme", "default")


@pytest.mark.parametrize(
    "name", ["a/b", "..", ".hidden", "a b", "ä", "x" * (LIMITS.name_characters + 1), "a\n"]
)
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_name(name, field="collection.tenant")

    assert refused.value.field == "collection.tenant"
    assert refused.value.reason == "NAME_INVALID"


@pytest.mark.parametrize("value", ["", "../x", "a/b", "a b", "x" * (LIMITS.id_characters + 1), "id\n"])
def test_an_id_that_is_no_id_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput, match="recognition_id"):
        checked_id(value, field="recognition_id")


def test_an_id_may_be_a_uuid_a_digest_or_a_colon_path() -> None:
    for value in ("123e4567-e89b-12d3-a456-426614174000", "a" * 64, "camera:7:frame_12.jpg"):
        assert checked_id(value, field="id") == value


def test_text_loses_outer_blanks_and_keeps_every_script() -> None:
    assert checked_text("  Größe 大きい 🦜 ", field="label", most=200) == "Größe 大きい 🦜"


@pytest.mark.parametrize(
    "text",
    [
        "the 👩\u200d🔬 with a bottle",
        "क्\u200cष",
        "赤い\u3000車",
        "🏴\U000e0067\U000e0062\U000e007f",
        "10\u202fkm",
    ],
)
def test_text_may_hold_what_joins_and_parts_within_words_and_emoji(text: str) -> None:
    assert checked_text(text, field="prompt", most=200) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "TEXT_EMPTY"),
        ("   ", "TEXT_EMPTY"),
        ("two\nlines", "TEXT_NOT_PRINTABLE"),
        ("bell\x07", "TEXT_NOT_PRINTABLE"),
        ("right\u202eto left", "TEXT_NOT_PRINTABLE"),
        ("x" * 10_000, "TEXT_TOO_LONG"),
    ],
)
def test_text_that_would_spoil_a_list_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_text(text, field="label", most=LIMITS.label_characters)

    assert refused.value.reason == reason
    assert refused.value.field == "label"
