"""What segmentation does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.kernel.errors import Unsupported
from services.kernel.limits import LIMITS
from services.kernel.regions import whole_image
from services.kernel.vocabulary import ImageReference, Prompt, Region, Shape, Stage
from services.segmentation import domain


@dataclass(frozen=True)
class Proposal:
    """The regions of one image, and the record of how they were found."""

    regions: tuple[Region, ...]
    stage: Stage


class ProposeRegions:
    """Says where to look: at the caller's shapes, or at the whole image.

    Errors name the field as the services among themselves know it, `shapes[2].box`; the gateway puts
    `options.` before it.

    Args:
        version: Of this service, for the record.
        check: Raises when nobody waits for the answer any more; asked before each shape.
        clock: Gives seconds; only differences count.
    """

    def __init__(
        self,
        *,
        version: str,
        check: Callable[[], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._version = version
        self._check = check
        self._clock = clock

    def __call__(
        self, image: ImageReference, shapes: Sequence[Shape] = (), prompts: Sequence[Prompt] = ()
    ) -> Proposal:
        """Return the regions in the order of the shapes, with the ids `0`, `1`, ...

        Raises:
            InvalidInput: A shape covers no pixel of the image, or the masks are too finely cut.
            Unsupported: There are prompts, and no detector.
            DeadlineExceeded: Nobody waits any more.
        """
        started = self._clock()
        _refuse(prompts)
        regions = self._regions(domain.checked_image(image), shapes)
        stage = Stage("segmentation", self._version, duration_s=self._clock() - started)
        return Proposal(regions, stage)

    def _regions(self, image: ImageReference, shapes: Sequence[Shape]) -> tuple[Region, ...]:
        if not shapes:
            return (whole_image(image),)
        found: list[Region] = []
        runs = 0
        for index, shape in enumerate(shapes):
            self._check()
            region = domain.region(index, shape, image)
            runs += domain.runs(region)
            if runs > LIMITS.mask_runs_per_image:
                raise domain.too_many_runs(f"shapes[{index}]")
            found.append(region)
        return tuple(found)


def _refuse(prompts: Sequence[Prompt]) -> None:
    if prompts:
        raise Unsupported(
            "no detector is installed, so regions cannot be found by prompts yet; "
            "send shapes (boxes, polygons or masks), or neither for the whole image",
            field="prompts",
            reason="NO_DETECTOR",
        )
