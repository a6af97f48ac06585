"""Where to look in an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.regions import whole_image
from services.kernel.vocabulary import FindOptions, ImageReference, Prompt, Region, Shape, Stage
from services.segmentation.domain import shapes as domain
from services.segmentation.usecases.find import FindRegions
from services.segmentation.usecases.stages import Stages


@dataclass(frozen=True)
class Wish:
    """What a caller points at, or looks for; neither: the whole image.

    Attributes:
        image: Where.
        shapes: What is pointed at.
        prompts: What is looked for.
        find: How.
    """

    image: ImageReference
    shapes: Sequence[Shape] = ()
    prompts: Sequence[Prompt] = ()
    find: FindOptions = field(default_factory=FindOptions)


@dataclass(frozen=True)
class Proposal:
    """The regions of one image, and the record of how they were found."""

    regions: tuple[Region, ...]
    stage: Stage


class ProposeRegions:
    """Says where to look: at the caller's shapes, at what prompts find, or at the whole image.

    Errors name the field as the services among themselves know it, `shapes[2].box`; the gateway puts
    `options.` before it.

    Args:
        stages: Makes the record.
        check: Raises when nobody waits for the answer any more; asked before each shape.
        find: Finds what prompts name; None: there is no detector.
    """

    def __init__(self, stages: Stages, *, check: Callable[[], None], find: FindRegions | None = None) -> None:
        self._stages = stages
        self._check = check
        self._find = find

    def __call__(self, wish: Wish) -> Proposal:
        """Return the regions in the order of the shapes, or of their scores, with the ids `0`, `1`, ...

        Raises:
            InvalidInput: A shape covers no pixel of the image, or the masks are too finely cut; there are
                shapes and prompts; or as `FindRegions`.
            Unsupported: There are prompts, and no detector.
            NotFound, Corrupt, DeadlineExceeded, Unavailable: As `FindRegions`.
        """
        started = self._stages.clock()
        image = domain.checked_image(wish.image)
        if not wish.prompts:
            return Proposal(self._shown(image, wish.shapes), self._stages.ended(started))
        if wish.shapes:
            raise InvalidInput(
                "there are shapes and prompts: send either, to say where to look or what to look for",
                field="prompts",
                reason="SHAPES_AND_PROMPTS",
            )
        if self._find is None:
            raise domain.no_detector()
        found = self._find(image, wish.prompts, wish.find)
        return Proposal(found.regions, self._stages.ended(started, found.models, found.rungs))

    def _shown(self, image: ImageReference, shapes: Sequence[Shape]) -> tuple[Region, ...]:
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
