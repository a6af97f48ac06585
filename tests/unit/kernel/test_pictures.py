from __future__ import annotations

from services.kernel.pictures import may_come_from
from services.kernel.vocabulary import ImageReference

IMAGE = ImageReference("00" * 32, "t/c/images/00", "image/png", 100, 80, 60)


def test_pixels_of_another_size_are_another_image() -> None:
    def fits(width_px: int, height_px: int, *, reduced: bool) -> bool:
        return may_come_from(IMAGE, width_px=width_px, height_px=height_px, reduced=reduced)

    assert fits(80, 60, reduced=False)
    assert fits(80 // 4, 60 // 4, reduced=True)
    assert not fits(80 // 4, 60 // 4, reduced=False)
    assert not fits(80 // 4, 60 // 2, reduced=True)
