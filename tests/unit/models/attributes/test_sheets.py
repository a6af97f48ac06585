from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.attributes.checking import check
from models.attributes.lines import SheetError, parse, read, write
from models.attributes.records import (
    AttributeRecord,
    ClassRecord,
    DescriptionRecord,
    ImageRecord,
    Made,
    Record,
    Sheet,
    ValueRecord,
    is_edited,
    made_by,
)

HEAD = {"record": "sheet", "schema": 1, "version": 1, "name": "birds", "super_class": "bird"}
WREN = {"record": "class", "label": "wren", "synonyms": ["jenny"]}
FINCH = {"record": "class", "label": "goldfinch"}
A, B = "a" * 64, "b" * 64


def lines(*objects: Any) -> bytes:
    return "\n".join(each if isinstance(each, str) else json.dumps(each) for each in objects).encode()


def wrong(*objects: Any) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in check(parse(lines(*objects)))]


def image(digest: str, label: str = "wren", split: str = "train") -> dict[str, str]:
    return {"record": "image", "image": digest, "label": label, "split": split}


MODEL = Made("model", "vlm@1", "0" * 16, "2026-01-01")
FULL = Sheet(name="birds", super_class="bird").merged(
    [
        ClassRecord("wren", ("jenny",)),
        ImageRecord(A, "wren", "train", "wren/1.png"),
        made_by(AttributeRecord("tail", ("up", "down")), MODEL),
        made_by(ValueRecord("wren", "tail", ("up",), A), MODEL),
        made_by(DescriptionRecord("wren", 'Tail up, "brown"\u2028 — and [small], tabs no', A), MODEL),
        DescriptionRecord("wren", ""),
    ]
)


def test_a_sheet_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "birds.jsonl", FULL)

    assert read(tmp_path / "deep" / "birds.jsonl") == FULL
    assert check(parse((tmp_path / "deep" / "birds.jsonl").read_bytes())) == []
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["birds.jsonl"]


def test_lists_are_lists_whatever_is_in_them(tmp_path: Path) -> None:
    values = ("a, b", "c; d", 'e "f"', "[g]", "\u03b1")
    write(tmp_path / "s", FULL.merged([ValueRecord("wren", "tail", values)]))

    found = [each.values for each in read(tmp_path / "s").of(ValueRecord)]

    assert values in found


texts = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffd"), min_size=1, max_size=20
).filter(lambda text: text.strip())


@given(
    st.lists(st.tuples(texts, texts, st.lists(texts, max_size=3, unique_by=str.casefold)), max_size=5),
    st.booleans(),
)
def test_every_sheet_comes_back(some: list[tuple[str, str, list[str]]], edited: bool) -> None:  # noqa: FBT001
    records: list[Record] = []
    for label, text, values in some:
        records += [
            ClassRecord(label, tuple(values)),
            replace(made_by(DescriptionRecord(label, text), MODEL), edited=edited),
        ]
    sheet = Sheet(name="s").merged(records)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "s", sheet)
        assert read(Path(folder) / "s") == sheet


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "is no JSON: Expecting property name enclosed in double quotes at character 2"),
        ("[]", "is no JSON object"),
        ('{"record": NaN}', "NaN is no number"),
        (
            {"record": "bird"},
            "`record` is 'bird'; it must be one of class, image, attribute, value, description",
        ),
        (
            {"record": ["class"]},
            "`record` is ['class']; it must be one of class, image, attribute, value, description",
        ),
        ({"record": "class"}, "class: `label` must be a text"),
        ({"record": "class", "label": " "}, "class: `label` is empty"),
        (
            {"record": "class", "label": "x" * 201},
            "class: `label` has 201 characters, at most 200 are allowed",
        ),
        (
            {"record": "class", "label": "a\nb"},
            "class: `label` has a control character or is no valid Unicode",
        ),
        (
            {"record": "class", "label": "\ud800"},
            "class: `label` has a control character or is no valid Unicode",
        ),
        ({"record": "class", "label": "x", "synonyms": "a\tb"}, "class: `synonyms` must be a list of texts"),
        ({"record": "class", "label": "x", "synonyms": ["a", "A"]}, "class: `synonyms` says the same twice"),
        ({"record": "class", "label": "x", "synonym": []}, "class: there is no field `synonym`"),
        (image("0"), "`image` must be the SHA-256 of the picture, 64 digits in small letters"),
        (
            {"record": "description", "label": "x", "text": "y", "made": 1},
            "description: `made` must be an object",
        ),
        (
            {"record": "description", "label": "x", "text": "y", "edited": "yes"},
            "description: `edited` must be true or false",
        ),
    ],
)
def test_a_line_that_is_wrong_is_named_with_what_is_wrong(line: Any, message: str) -> None:
    assert wrong(HEAD, "", WREN, line)[0] == (4, message)


@pytest.mark.parametrize(
    "first", ["", "\n\n", "{}", '{"record": "sheet", "schema": 2, "version": 0, "name": "x"}']
)
def test_a_file_that_is_no_sheet_is_refused(tmp_path: Path, first: str) -> None:
    (tmp_path / "s").write_text(first)

    with pytest.raises(SheetError, match="line 1: "):
        read(tmp_path / "s")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_sheet_or_told_with_lines(data: bytes) -> None:
    parsed = parse(data)

    assert parsed.problems or data.startswith(b'{"record": "sheet"')
    assert all(0 < each.line <= data.count(b"\n") + 1 for each in parsed.problems)


def test_one_picture_stands_in_one_line_and_one_split() -> None:
    assert wrong(HEAD, WREN, image(A), image(A))[-1] == (4, f"'image {A}' stands in line 3 already")
    assert (4, "the picture is of the split 'test', and of 'train' in line 3") in wrong(
        HEAD, WREN, image(A), image(A, split="test")
    )


def test_pictures_that_changed_their_split_are_told() -> None:
    known = {**HEAD, "split": Sheet().merged([ImageRecord(A, "wren", "train")]).split}

    assert wrong(known, WREN, image(A)) == []
    (problem,) = wrong(known, WREN, image(A, split="test"))
    assert problem[0] == 3
    assert "not those that this sheet was written with" in problem[1]


def test_what_does_not_agree_is_told_with_its_line() -> None:
    tail = {"record": "attribute", "name": "tail", "values": ["up", "down"]}
    split = Sheet().merged([ImageRecord(A, "wren", "train")]).split

    found = wrong(
        {**HEAD, "split": split},
        WREN,
        {"record": "class", "label": "robin", "synonyms": ["Jenny"]},
        image(A),
        tail,
        {"record": "value", "label": "wren", "attribute": "tail", "values": ["sideways"]},
        {"record": "value", "label": "wren", "attribute": "bill", "values": ["cannot tell"]},
        {"record": "value", "label": "robin", "attribute": "tail", "values": ["up"], "image": A},
        {"record": "description", "label": "wren", "text": "Small; robins are larger."},
        {"record": "description", "label": "tit", "text": "Blue."},
        {"record": "description", "label": "wren", "text": "Brown.", "image": B},
    )

    assert found == [
        (3, "'Jenny' is a name of 'wren' too"),
        (6, "'sideways' is none of the values of 'tail'"),
        (7, "'bill' is no attribute: it needs a line of its own"),
        (7, "'cannot tell' says that it cannot be told; leave the value out"),
        (8, f"the picture {A[:12]}… shows 'wren', not 'robin'"),
        (9, "the description names a class: 'robins' is 'robin'"),
        (10, "'tit' is no class: it needs a line of its own"),
        (11, f"there is no picture {B[:12]}…: it needs a line of its own"),
    ]


def test_a_leak_of_another_class_is_none_where_each_keeps_its_own_name_out() -> None:
    text = {"record": "description", "label": "wren", "text": "Smaller than a goldfinch."}

    assert [line for line, _ in wrong(HEAD, WREN, FINCH, text)] == [4]
    assert wrong({**HEAD, "leaks": "own"}, WREN, FINCH, text) == []
    assert [
        line for line, _ in wrong({**HEAD, "leaks": "own"}, WREN, FINCH, {**text, "text": "A Jenny."})
    ] == [4]


def test_what_people_wrote_or_changed_stays_and_the_rest_is_made_anew() -> None:
    sheet = Sheet(name="s").merged(
        [made_by(DescriptionRecord(label, "machine"), MODEL) for label in ("a", "b", "c")]
    )
    first, second, _ = sheet.of(DescriptionRecord)
    changed, flagged = replace(first, text="by hand"), replace(second, edited=True)
    edited = replace(sheet, records={**sheet.records, changed.key: changed, flagged.key: flagged})

    again = edited.merged(
        [made_by(DescriptionRecord(label, "better machine"), MODEL) for label in ("a", "b", "c")]
    )

    assert [each.text for each in again.of(DescriptionRecord)] == ["by hand", "machine", "better machine"]
    assert [is_edited(each) for each in again.of(DescriptionRecord)] == [True, True, False]
    assert again.version == sheet.version + 1


def test_a_text_that_people_emptied_stays_empty() -> None:
    sheet = Sheet(name="s").merged([DescriptionRecord("a", "")])

    assert sheet.merged([made_by(DescriptionRecord("a", "machine"), MODEL)]) == sheet


def test_the_version_rises_only_with_what_is_new() -> None:
    same = FULL.merged(FULL.records.values())
    later = FULL.merged([made_by(ValueRecord("wren", "tail", ("up",), A), replace(MODEL, date="2027-01-01"))])

    assert same.version == later.version == FULL.version
    assert FULL.merged([ClassRecord("tit")]).version == FULL.version + 1
