"""Sheets of many things."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from examples.demo.metrics import Share
from examples.demo.modes import MODES, Answer, Round
from examples.demo.scores import crowd
from examples.demo.sheets import COLUMNS, ROWS, SheetAnswer, draw
from examples.demo.task import Picture
from fovea.client import Box, FoveaError, RankedLabel, Recognition, Region, Status

SIZE = COLUMNS * ROWS


def things(folder: Path, count: int) -> list[Picture]:
    drawn = Image.new("RGBA", (64, 64))
    drawn.paste("red", (16, 8, 48, 56))
    drawn.save(folder / "thing.png")
    return [Picture(f"thing {i}", "group", "noto", folder / "thing.png") for i in range(count)]


def test_a_box_lies_around_what_is_drawn(tmp_path: Path) -> None:
    (sheet,) = draw(things(tmp_path, SIZE), seed=0)
    paper = Image.open(io.BytesIO(sheet.encoded)).convert("RGB")

    for box in sheet.boxes:
        inside = paper.getpixel((int(box.left + box.right) // 2, int(box.top + box.bottom) // 2))
        outside = paper.getpixel((int(box.left) - 3, int(box.top + box.bottom) // 2))
        assert isinstance(inside, tuple)
        assert isinstance(outside, tuple)
        assert inside[0] > 200
        assert inside[1] < 100
        assert outside[1] > 200


def test_what_does_not_fill_a_sheet_is_left_out(tmp_path: Path) -> None:
    sheets = draw(things(tmp_path, 2 * SIZE + 1), seed=0)

    assert [len(sheet.things) for sheet in sheets] == [SIZE, SIZE]
    assert len({thing.label for sheet in sheets for thing in sheet.things}) == 2 * SIZE


def test_boxes_are_compared_with_the_same_pictures_by_themselves(tmp_path: Path) -> None:
    (sheet,) = draw(things(tmp_path, SIZE), seed=0)
    boxed = SheetAnswer(sheet, Recognition("r", tuple(region(thing.label) for thing in sheet.things)))
    alone = tuple(
        Answer(thing, known=True, recognition=Recognition("r", (region("x"),))) for thing in sheet.things
    )

    row = crowd(Round(MODES[0], alone, (), {}, classes=9, teach_s=1, stream_s=1), [boxed])

    assert (row.top_1, row.alone_1) == (Share(SIZE, SIZE), Share(0, SIZE))


def test_every_thing_of_a_sheet_that_failed_counts_as_wrong(tmp_path: Path) -> None:
    (sheet,) = draw(things(tmp_path, SIZE), seed=0)
    failed = SheetAnswer(sheet, Recognition("r", failure=FoveaError("no")))

    row = crowd(Round(MODES[0], (), (), {}, classes=9, teach_s=1, stream_s=1), [failed])

    assert row.top_1 == Share(0, SIZE)


def region(label: str) -> Region:
    return Region("0", Box(0, 0, 1, 1), (RankedLabel(label, 1.0),), 0.0, Status.DEGRADED)
