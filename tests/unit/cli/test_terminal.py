from hypothesis import given
from hypothesis import strategies as st

from fovea.cli.terminal import clean


@given(st.text())
def test_cleaned_text_can_always_be_printed(text: str) -> None:
    assert clean(text).isprintable()
    assert clean(text) == text or not text.isprintable()
