"""One region of a picture made ready for the encoder, as RAR does before it retrieves.

Source: RAR (Liu et al., arXiv 2403.13805), detection set-up: the crop is enlarged by a
factor that depends on the object's size, and what is not the object is blurred, so that
the encoder sees the object sharp in a hint of its surroundings. Sizes and kernel are not
published there; those here were measured (see the model card of the encoder).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageFilter

from models.vision.boxes import Box

_REDUCED_SIGMA_PX = 4.0
_REDUCING_GAP = 2.0
_FILTERS: Final = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
Fit = Literal["pad", "stretch", "cover"]
Resample = Literal["nearest", "bilinear", "bicubic", "lanczos"]


@dataclass(frozen=True)
class PreparationSettings:
    """All parameters of the preparation.

    Attributes:
        size_px: Side of the square that comes out.
        scale_small: Enlargement of the crop for objects of share `share_small` and less.
        scale_large: Enlargement for objects of share `share_large` and more; linear between.
        share_small: Square root of object area over image area.
        share_large: As `share_small`.
        blur_sigma: Sigma of the blur outside the object, as a share of the crop's longer side.
        fit: What happens to a crop that is not square: it is padded, stretched, or cut to its middle.
        resize_px: With `cover`, what the shorter side becomes before the square is cut out; 0: its side.
        resample: The filter that resizes.
        padding: Grey of the padding, 0 to 255.
    """

    size_px: int = 224
    scale_small: float = 1.2
    scale_large: float = 1.0
    share_small: float = 0.1
    share_large: float = 0.6
    blur_sigma: float = 0.1
    fit: Fit = "pad"
    resize_px: int = 0
    resample: Resample = "bicubic"
    padding: int = 255

    def __post_init__(self) -> None:
        """Refuse settings that could not be meant. Raises ValueError."""
        if self.size_px < 1 or not 0 <= self.padding <= 255:  # noqa: PLR2004  (a byte)
            raise ValueError(f"size_px={self.size_px} or padding={self.padding} is out of range")
        if min(self.scale_small, self.scale_large) < 1 or self.blur_sigma < 0:
            raise ValueError("scales must be 1 or more and blur_sigma must not be negative")
        if self.resize_px and (self.fit != "cover" or self.resize_px < self.size_px):
            raise ValueError(
                f"resize_px={self.resize_px} is for `cover`, and not below size_px={self.size_px}"
            )
        if not 0 <= self.share_small < self.share_large <= 1:
            raise ValueError("0 <= share_small < share_large <= 1 must hold")

    def scale(self, share: float) -> float:
        """Return the enlargement for an object of this share (root of area over area)."""
        shares = (self.share_small, self.share_large)
        return float(np.interp(share, shares, (self.scale_small, self.scale_large)))


DEFAULTS = PreparationSettings()


def prepare(
    image: UInt8[np.ndarray, "h w 3"],
    box: Box | None = None,
    mask: Bool[np.ndarray, "mask_h mask_w"] | None = None,
    settings: PreparationSettings = DEFAULTS,
) -> UInt8[np.ndarray, "size size 3"]:
    """Return one region as the square that the encoder reads.

    Args:
        image: RGB.
        box: The region; None for the whole image. What lies outside the image is ignored.
        mask: Which pixels are the object, in the image's own size; None: all of the box.
        settings: How.

    Raises:
        ValueError: If no pixel of the image lies in the box, or the mask does not fit.
    """
    height_px, width_px = image.shape[:2]
    whole = Box(0, 0, width_px, height_px)
    box = whole if box is None else box.within(width_px, height_px)
    if mask is not None and mask.shape != image.shape[:2]:
        raise ValueError(f"the mask is {mask.shape[1]} x {mask.shape[0]}, the image {width_px} x {height_px}")
    if box == whole and mask is None:
        return _fit(Image.fromarray(image), settings)
    crop_box = enlarged(box, width_px, height_px, settings)
    sharp = _sharp(box, mask, crop_box)
    crop = image[crop_box.rows, crop_box.columns]
    return _fit(Image.fromarray(blurred_outside(crop, sharp, settings.blur_sigma)), settings)


def enlarged(box: Box, width_px: int, height_px: int, settings: PreparationSettings) -> Box:
    """Return the crop around a box, cut at the image's border."""
    share = math.sqrt(box.area / (width_px * height_px))
    grow = (settings.scale(share) - 1) / 2
    right = grow * (box.right - box.left)
    down = grow * (box.bottom - box.top)
    wide = Box(
        math.floor(box.left - right),
        math.floor(box.top - down),
        math.ceil(box.right + right),
        math.ceil(box.bottom + down),
    )
    return wide.within(width_px, height_px)


def blurred_outside(
    crop: UInt8[np.ndarray, "h w 3"],
    sharp: Bool[np.ndarray, "h w"],
    sigma: float,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return the crop with every pixel outside `sharp` blurred and every other unchanged.

    Args:
        crop: RGB.
        sharp: Which pixels stay as they are.
        sigma: Of the Gaussian, as a share of the longer side.
    """
    sigma_px = sigma * max(crop.shape[:2])
    if sigma_px == 0 or sharp.all():
        return crop
    blurred = np.array(_blur(Image.fromarray(crop), sigma_px))
    np.copyto(blurred, crop, where=sharp[:, :, None])
    return blurred


def _blur(image: Image.Image, sigma_px: float) -> Image.Image:
    """Blur; a wide Gaussian is drawn on a reduced picture, where nobody sees the difference."""
    factor = max(1, int(sigma_px / _REDUCED_SIGMA_PX))
    if factor == 1:
        return image.filter(ImageFilter.GaussianBlur(sigma_px))
    small = image.reduce(factor).filter(ImageFilter.GaussianBlur(sigma_px / factor))
    return small.resize(image.size, Image.Resampling.BILINEAR)


def _sharp(box: Box, mask: Bool[np.ndarray, "h w"] | None, crop: Box) -> Bool[np.ndarray, "rows columns"]:
    if mask is not None:
        return mask[crop.rows, crop.columns]
    sharp = np.zeros((crop.bottom - crop.top, crop.right - crop.left), dtype=np.bool_)
    sharp[box.shifted(-crop.left, -crop.top).rows, box.shifted(-crop.left, -crop.top).columns] = True
    return sharp


def _fit(image: Image.Image, settings: PreparationSettings) -> UInt8[np.ndarray, "size size 3"]:
    side = settings.size_px
    if settings.fit == "cover":
        return np.asarray(_resized(image, (side, side), settings, _middle(image, settings)))
    width_px, height_px = image.size
    ratio = side / max(image.size)
    inner = (side, side)
    if settings.fit == "pad":
        inner = (max(1, round(width_px * ratio)), max(1, round(height_px * ratio)))
    resized = _resized(image, inner, settings)
    if inner == (side, side):
        return np.asarray(resized)
    square = Image.new("RGB", (side, side), (settings.padding,) * 3)
    square.paste(resized, ((side - inner[0]) // 2, (side - inner[1]) // 2))
    return np.asarray(square)


def _middle(image: Image.Image, settings: PreparationSettings) -> tuple[float, float, float, float]:
    """Return the part that is left when the shorter side is resized and a square is cut out of the middle.

    Only that part is drawn, so that a long thin picture costs no more than another. Sizes and offsets are
    whole numbers rounded down, as those who publish encoders round them.
    """
    shorter = settings.resize_px or settings.size_px
    edges = []
    for length_px in image.size:
        resized_px = int(shorter * length_px / min(image.size))
        start_px = (resized_px - settings.size_px) // 2
        edges.append(
            (start_px * length_px / resized_px, (start_px + settings.size_px) * length_px / resized_px)
        )
    (left, right), (top, bottom) = edges
    return left, top, right, bottom


def _resized(
    image: Image.Image,
    size: tuple[int, int],
    settings: PreparationSettings,
    part: tuple[float, float, float, float] | None = None,
) -> Image.Image:
    return image.resize(size, _FILTERS[settings.resample], box=part, reducing_gap=_REDUCING_GAP)
