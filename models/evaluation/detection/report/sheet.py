"""Scenes with what was found in them: good ones and bad ones, drawn by seed and not by hand."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from models.evaluation.detection.answers import Asked, unpacked
from models.evaluation.detection.evidence import Evidence
from models.evaluation.detection.passes import Draw
from models.evaluation.detection.verdicts import Verdict, judged
from models.segmentation.samples import PromptKind

_RIGHT: Final = "#00c853"
_WRONG: Final = "#ff1744"
_MISSED: Final = "#ffffff"
_BOTH: Final = "#ff9100"
_GREEN: Final = "#00733a"
_DARK: Final = "#7f0000"
_GREY: Final = "#555555"
_ROWS: Final = ("one of the better quarter", "one of the worst tenth")
_TINT: Final = 0.4
_LINES: Final = 8
_WIDE: Final = 40
_FONT_POINTS: Final = 8
_PITCH_POINTS: Final = 10
_PANEL_INCHES: Final = (3.3, 4.7)
_DPI: Final = 110
_QUALITY: Final = 80
_LEAST_THINGS: Final = 2
_SEED: Final = 7


def write(
    seen: Mapping[str, Sequence[Evidence]],
    titles: Mapping[str, str],
    thresholds: Mapping[PromptKind, float],
    drawn: Draw,
    place: Path,
) -> None:
    """Draw two scenes of each set: above, one of the better quarter; below, one of the worst tenth.

    Args:
        seen: What was found in each set.
        titles: Of the sets.
        thresholds: Of each kind of prompt.
        drawn: Draws a scene of a set.
        place: WebP that is written.
    """
    size = (_PANEL_INCHES[0] * len(seen), 2 * _PANEL_INCHES[1])
    with mpl.rc_context({"font.family": "DejaVu Sans"}):
        figure = Figure(figsize=size, dpi=_DPI)
        panels = figure.subplots(2, len(seen), squeeze=False)
        figure.subplots_adjust(left=0.022, right=0.99, top=0.97, bottom=0.145, wspace=0.04, hspace=0.43)
        for column, (name, scenes) in enumerate(seen.items()):
            asked = [each.asked() for each in scenes]
            verdicts = [judged(each, _thresholds(each, thresholds)) for each in asked]
            for row, scene in enumerate(chosen(asked, verdicts)):
                _panel(panels[row, column], drawn(name, scene).image, asked[scene], verdicts[scene])
            panels[0, column].set_title(titles[name], fontsize=9)
        for row, text in enumerate(_ROWS):
            figure.text(0.008, 0.97 - 0.5 * row, text, rotation=90, va="top", fontsize=9)
        pixels = io.BytesIO()
        figure.savefig(pixels, format="png")
    place.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(pixels) as picture:
        picture.convert("RGB").save(place, "WEBP", quality=_QUALITY, method=6)


def chosen(asked: Sequence[Asked], verdicts: Sequence[Verdict]) -> tuple[int, int]:
    """Return a scene at which more is right than at three quarters, and one of the worst tenth.

    Scenes with one thing alone are left out where there are others.
    """
    full = [number for number, each in enumerate(asked) if len(each.truths) >= _LEAST_THINGS]
    ordered = sorted(full or range(len(asked)), key=lambda number: verdicts[number].quality)
    drawn = np.random.default_rng(_SEED)
    good, bad = ordered[3 * len(ordered) // 4 :], ordered[: max(1, len(ordered) // 10)]
    return good[int(drawn.integers(len(good)))], bad[int(drawn.integers(len(bad)))]


def _thresholds(asked: Asked, thresholds: Mapping[PromptKind, float]) -> Float[np.ndarray, "prompt"]:
    return np.array([thresholds[each.kind] for each in asked.prompts])


def _panel(axes: Axes, image: UInt8[np.ndarray, "h w 3"], asked: Asked, verdict: Verdict) -> None:
    regions = _regions(verdict)
    axes.imshow(_tinted(image, asked, verdict, regions))
    axes.set_axis_off()
    axes.set_anchor("N")
    for number, (mask, colour) in enumerate(regions.items(), start=1):
        box = verdict.answers.boxes[int(np.argmax(verdict.answers.mask == mask))].tolist()
        _outline(axes, box, colour)
        label = {"facecolor": colour, "edgecolor": "none", "pad": 1.2}
        axes.text(box[0] + 3, box[1] + 3, str(number), color="white", va="top", fontsize=7, bbox=label)
    for place in sorted({place for _, place in verdict.missed}):
        _outline(axes, asked.truths[place].box, _MISSED, dashed=True)
    for row, (text, colour) in enumerate(_legend(asked, verdict, list(regions))):
        axes.annotate(
            text,
            (0, 0),
            (0, -_PITCH_POINTS * (row + 0.4)),
            xycoords="axes fraction",
            textcoords="offset points",
            color=colour,
            va="top",
            fontsize=_FONT_POINTS,
        )


def _regions(verdict: Verdict) -> dict[int, str]:
    """Return the colour of each region that answers something, the surest first."""
    verdicts: dict[int, set[bool]] = {}
    for mask, right in zip(verdict.answers.mask.tolist(), verdict.right, strict=True):
        verdicts.setdefault(mask, set()).add(right)
    return {
        mask: _BOTH if len(each) > 1 else _RIGHT if True in each else _WRONG
        for mask, each in verdicts.items()
    }


def _tinted(
    image: UInt8[np.ndarray, "h w 3"], asked: Asked, verdict: Verdict, regions: Mapping[int, str]
) -> UInt8[np.ndarray, "h w 3"]:
    drawn = image.astype(np.float32)
    for mask, colour in reversed(list(regions.items())):
        inside = unpacked(verdict.answers.masks[mask], asked.width_px, asked.height_px)
        drawn[inside] = (1 - _TINT) * drawn[inside] + _TINT * 255 * np.array(mpl.colors.to_rgb(colour))
    return np.rint(drawn).astype(np.uint8)


def _outline(axes: Axes, box: Sequence[float], colour: str, *, dashed: bool = False) -> None:
    left, top, right, bottom = box
    line = "--" if dashed else "-"
    axes.add_patch(
        Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, lw=1.4, ls=line)
    )


def _legend(asked: Asked, verdict: Verdict, regions: Sequence[int]) -> list[tuple[str, str]]:
    """Return lines of text and their colours: what was answered, what was missed, what was rejected."""
    said = verdict.answers
    lines = []
    for mask, prompt, score, right in zip(
        said.mask.tolist(), said.prompts.tolist(), said.scores.tolist(), verdict.right, strict=True
    ):
        text = _short(f"{regions.index(mask) + 1}  {asked.prompts[prompt].text}")
        lines.append((f"{text}  {score:.2f}", _GREEN if right else _DARK))
    missed = dict.fromkeys(asked.prompts[prompt].text for prompt, _ in verdict.missed)
    lines += [(_short(f"missed: {text}"), _GREY) for text in missed]
    quiet = set(asked.absent()) - set(said.prompts.tolist())
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], (f"and {len(lines) - _LINES + 1} more", _GREY)]
    lines.append((f"{len(quiet)} of {len(asked.absent())} absent prompts: no answer", "black"))
    return lines


def _short(text: str) -> str:
    return text if len(text) <= _WIDE else f"{text[: _WIDE - 1]}\N{HORIZONTAL ELLIPSIS}"
