"""Pictures inside the page, as data."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from pathlib import Path

from PIL import Image

from examples.demo.report.markup import Html, tag
from examples.demo.task import Picture

_QUALITY = 82


def picture(shown: Picture, *, side_px: int, alt: str) -> Html:
    """Return the picture, at twice the pixels it is shown with."""
    side = str(side_px)
    return tag("img", src=_data(shown.path, 2 * side_px), alt=alt, width=side, height=side, loading="lazy")


def encoded(data: bytes, *, alt: str) -> Html:
    """Return a picture that is WebP already, as wide as there is room."""
    return tag("img", src=_uri(data), alt=alt, class_="wide", loading="lazy")


@lru_cache(maxsize=4096)
def _data(path: Path, most_px: int) -> str:
    with Image.open(path) as opened:
        small = opened.convert("RGBA")
    small.thumbnail((most_px, most_px), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    small.save(packed, "WEBP", quality=_QUALITY, method=4)
    return _uri(packed.getvalue())


def _uri(data: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
