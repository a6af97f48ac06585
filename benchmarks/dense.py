"""Regions read from one map of their image, beside regions that are cut out: by how many there are.

Every image is new, and of 2 x 2 tiles: five passes however many regions, beside one for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.encoding_service import Encoding, opened
from benchmarks.measure import Side, in_turn
from benchmarks.pictures import new_pictures
from benchmarks.table import milliseconds, table
from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.kernel.v1 import image_pb2, region_pb2

_REGIONS = (1, 5, 20, 60)
_SIDE_PX = 448
_REGION_PX = 48
_IMAGES = 3
_ROUNDS = 3
_GOAL_AT = 20


@dataclass(frozen=True)
class Row:
    """Costs per image with so many regions."""

    regions: int
    crop: Side
    dense: Side


def measure(*, rounds: int = _ROUNDS) -> list[Row]:
    """Run both sides in turn, for each number of regions."""
    pictures = new_pictures(_IMAGES, side_px=_SIDE_PX)
    with opened() as encoding:
        return [_measure(encoding, count, pictures, rounds) for count in _REGIONS]


def report(rows: Sequence[Row]) -> str:
    """Return the result as a table."""
    head = ("regions", "crop cpu ms", "dense cpu ms", "crop ms", "dense ms", "dense regions/s")
    lines = [
        (
            str(row.regions),
            milliseconds(row.crop.cpu_s),
            milliseconds(row.dense.cpu_s),
            milliseconds(row.crop.wall_s),
            milliseconds(row.dense.wall_s),
            f"{row.regions / row.dense.wall_s:.1f}",
            f"{row.crop.wall_s / row.dense.wall_s:.2f}",
            f"{row.crop.cpu_s / row.dense.cpu_s:.2f}",
            ">= 3" if row.regions == _GOAL_AT else "",
            f"{100 * max(row.crop.spread, row.dense.spread):.0f} %",
        )
        for row in rows
    ]
    more = ("over crop", "by cpu", "goal", "spread")
    return f"images of {_SIDE_PX} x {_SIDE_PX} pixels, one at a time\n{table((*head, *more), lines)}"


def _measure(encoding: Encoding, count: int, pictures: Callable[[], list[bytes]], rounds: int) -> Row:
    sides = {
        "crop": _reading(encoding, count, pb.REGION_READING_CROP),
        "dense": _reading(encoding, count, pb.REGION_READING_DENSE),
    }
    found = in_turn(sides, pictures, rounds=rounds)
    return Row(count, found["crop"], found["dense"])


def _reading(
    encoding: Encoding, count: int, reading: pb.RegionReading.ValueType
) -> Callable[[Sequence[bytes]], None]:
    def run(pictures: Sequence[bytes]) -> None:
        for data in pictures:
            encoding.stub.EncodeRegions(_request(encoding.put(data), count, reading), timeout=120.0)

    return run


def _request(
    image: image_pb2.ImageReference, count: int, reading: pb.RegionReading.ValueType
) -> pb.EncodeRegionsRequest:
    places = [
        (41 * number % (_SIDE_PX - _REGION_PX), 97 * number % (_SIDE_PX - _REGION_PX))
        for number in range(count)
    ]
    boxes = [
        region_pb2.Box(left=left, top=top, right=left + _REGION_PX, bottom=top + _REGION_PX)
        for left, top in places
    ]
    regions = [region_pb2.Region(region_id=str(number), box=box) for number, box in enumerate(boxes)]
    return pb.EncodeRegionsRequest(image=image, regions=regions, spaces=["visual"], reading=reading)


if __name__ == "__main__":
    print(report(measure()))
