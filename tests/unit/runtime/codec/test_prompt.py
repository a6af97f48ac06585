"""Prompts are a typed list: each is read as it was written, or refused by name."""

import pytest
from hypothesis import given

from fovea.kernel.v1 import prompt_pb2, region_pb2
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import FindOptions, MaskFormat, Prompt, PromptKind
from services.runtime.codec.prompt import (
    read_find,
    read_prompts,
    require_known_format,
    write_find,
    write_prompt,
)
from tests.unit.runtime.codec import strategies


@given(strategies.prompts)
def test_a_prompt_comes_back(prompt: Prompt) -> None:
    assert read_prompts([write_prompt(prompt)], field="prompts") == (prompt,)


@given(strategies.finds)
def test_how_to_look_comes_back(find: FindOptions) -> None:
    assert read_find(write_find(find) or prompt_pb2.FindOptions(), field="find") == find


@pytest.mark.parametrize(
    "text",
    [
        "the red, dented one",
        'a sign that says "STOP, now"',
        "l'ampoule, à gauche; puis l'autre",
        "the 👩\u200d🔬 beside the 🧪",
        "割れた碍子、左側",
        "bottle,cup,plate",
        "a" * LIMITS.prompt_characters,
    ],
)
def test_commas_quotes_and_scripts_are_text_and_part_nothing(text: str) -> None:
    messages = [prompt_pb2.Prompt(sentence=text), prompt_pb2.Prompt(name="bottle")]

    assert read_prompts(messages, field="prompts") == (
        Prompt(PromptKind.SENTENCE, text),
        Prompt(PromptKind.NAME, "bottle"),
    )


def test_kinds_may_be_mixed_and_a_blank_makes_nothing_a_phrase() -> None:
    messages = [
        prompt_pb2.Prompt(name="traffic light"),
        prompt_pb2.Prompt(phrase="traffic light"),
        prompt_pb2.Prompt(exemplar_id="e1"),
    ]

    kinds = [prompt.kind for prompt in read_prompts(messages, field="prompts")]

    assert kinds == [PromptKind.NAME, PromptKind.PHRASE, PromptKind.EXEMPLAR]


@pytest.mark.parametrize(
    ("message", "field", "reason"),
    [
        (prompt_pb2.Prompt(), "prompts[1]", "PROMPT_MISSING"),
        (prompt_pb2.Prompt(name=" "), "prompts[1].name", "TEXT_EMPTY"),
        (prompt_pb2.Prompt(phrase="x" * 100_000), "prompts[1].phrase", "TEXT_TOO_LONG"),
        (prompt_pb2.Prompt(sentence="two\nlines"), "prompts[1].sentence", "TEXT_NOT_PRINTABLE"),
        (prompt_pb2.Prompt(name=" bottle "), "prompts[1].name", "PROMPT_DUPLICATE"),
    ],
)
def test_a_prompt_that_finds_nothing_new_is_refused_by_its_place(
    message: prompt_pb2.Prompt, field: str, reason: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_prompts([prompt_pb2.Prompt(name="bottle"), message], field="prompts")

    assert (refused.value.field, refused.value.reason) == (field, reason)


def test_as_many_names_as_a_large_vocabulary_has_are_taken_and_one_more_is_not() -> None:
    names = [prompt_pb2.Prompt(name=f"name {i}") for i in range(LIMITS.prompts_per_image + 1)]

    assert len(read_prompts(names[:-1], field="prompts")) == 13_204
    with pytest.raises(InvalidInput, match="13204") as refused:
        read_prompts(names, field="prompts")
    assert refused.value.reason == "TOO_MANY_PROMPTS"


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
@pytest.mark.parametrize("name", ["threshold", "overlap"])
def test_a_share_out_of_range_is_refused_by_name(name: str, value: float) -> None:
    message = prompt_pb2.FindOptions()
    setattr(message, name, value)

    with pytest.raises(InvalidInput) as refused:
        read_find(message, field="options.find")

    assert (refused.value.field, refused.value.reason) == (f"options.find.{name}", "OUT_OF_RANGE")


def test_masks_are_run_lengths_unless_polygons_are_asked_for() -> None:
    polygons = prompt_pb2.FindOptions(mask_format=region_pb2.MASK_FORMAT_POLYGONS)

    assert read_find(prompt_pb2.FindOptions(), field="find").mask_format is MaskFormat.RLE
    assert read_find(polygons, field="find").mask_format is MaskFormat.POLYGONS


def test_a_form_of_masks_of_the_next_release_is_refused_to_callers_and_run_lengths_in_events() -> None:
    newer = prompt_pb2.FindOptions(mask_format=7)  # type: ignore[arg-type]  # no value of this release

    assert read_find(newer, field="find").mask_format is MaskFormat.RLE
    with pytest.raises(InvalidInput) as refused:
        require_known_format(newer, field="options.find")
    assert (refused.value.field, refused.value.reason) == ("options.find.mask_format", "MASK_FORMAT_UNKNOWN")


_ODD = (
    "",
    "  ",
    "two\nlines",
    "a" * (LIMITS.prompt_characters + 1),
    "👩\u200d🔬",
    " \u3000wide ",
    "cup\u200e",
)
_LATE = (
    *(prompt_pb2.Prompt(name=text) for text in _ODD),
    prompt_pb2.Prompt(phrase="the cup"),
    prompt_pb2.Prompt(),
    prompt_pb2.Prompt(name="pictured", picture=prompt_pb2.ExemplarPicture()),
)


@pytest.mark.parametrize("late", range(len(_LATE)))
def test_a_prompt_behind_many_of_one_kind_is_read_as_it_is_alone(late: int) -> None:
    many = [prompt_pb2.Prompt(name=f" name {number} ") for number in range(20)]

    def outcome(messages: list[prompt_pb2.Prompt]) -> Prompt | tuple[str, str]:
        try:
            return read_prompts(messages, field="prompts")[-1]
        except InvalidInput as error:
            return error.reason, error.message.replace(f"[{len(messages) - 1}]", "")

    assert outcome([*many, _LATE[late]]) == outcome([_LATE[late]])
    assert read_prompts(many, field="prompts")[7] == Prompt(PromptKind.NAME, "name 7")
