from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.evaluation.detection.calibration import Bin
from models.evaluation.detection.evidence import Evidence
from models.evaluation.detection.figures import Covered, Group, Naming, Precision, Rejection
from models.evaluation.detection.intervals import Estimate
from models.evaluation.detection.matching import Shape, match
from models.evaluation.detection.precision import curve
from models.evaluation.detection.report import page, plots, sheet, tables
from models.evaluation.detection.suite import (
    PHOTOS,
    REFERRING,
    SEEN,
    TITLES,
    UNSEEN,
    Curve,
    Everything,
    Looks,
    Pointing,
    Results,
)
from models.evaluation.detection.verdicts import judged
from models.evaluation.report.markdown import BadTemplate, fill
from models.evaluation.report.page import FINDING, PAGE, part, with_part
from models.segmentation.samples import PromptKind
from tests.unit.models.evaluation.detection.test_finder import THRESHOLDS, finder, sample

KNOWN = Estimate(0.8125, (0.7625, 0.8625), 40)
NOTHING = Estimate(float("nan"), (0.0, 1.0), 0)
SHAPES: tuple[Shape, ...] = ("bbox", "segm")
SETS = (SEEN, UNSEEN, PHOTOS)


@pytest.fixture(scope="module")
def seen() -> list[Evidence]:
    asked = [sample("red", "blue", "green", stuff=True), sample("red", "yellow", stuff=True)]
    return [finder().find(each, scene, stuff={"blue"}) for scene, each in enumerate(asked)]


@pytest.fixture(scope="module")
def results(seen: list[Evidence]) -> Results:
    asked = [each.asked() for each in seen]
    boxes = match(asked, "bbox")
    sizes = (KNOWN, NOTHING, KNOWN)
    bins = (Bin(0.5, 0.4, 30), Bin(0.9, 0.8, 30))
    return Results(
        scenes=len(asked),
        precisions=tuple(
            Precision(TITLES[name], shape, KNOWN, KNOWN, KNOWN, KNOWN, sizes)
            for name in SETS
            for shape in SHAPES
        ),
        looks=(Looks(TITLES[SEEN], KNOWN, KNOWN, KNOWN, KNOWN),),
        everything=(Everything(TITLES[SEEN], 1060, KNOWN, KNOWN),),
        pointing=tuple(Pointing(TITLES[name], KNOWN, KNOWN) for name in SETS),
        phrases=(Pointing("with colour", KNOWN, KNOWN),),
        groups=(("intra", (Group("FULL", KNOWN, KNOWN),)),),
        rejections=tuple(
            Rejection(TITLES[name], PromptKind.NAME, 0.5, KNOWN, KNOWN, KNOWN, KNOWN, bins)
            for name in (*SETS, REFERRING)
        ),
        covered=tuple(Covered(title, KNOWN, KNOWN, KNOWN, KNOWN) for title in ("stuff", "things", "all")),
        naming=((TITLES[UNSEEN], (Naming("own box, fovea-global sees each crop", KNOWN, KNOWN),)),),
        foreground=KNOWN,
        activation=None,
        curves=tuple(Curve(TITLES[name], *curve(boxes)) for name in SETS),
        thresholds=THRESHOLDS,
        seen={SEEN: seen},
        left_out=("Left out: class-activation maps.",),
    )


def test_every_place_of_the_template_is_filled(results: Results) -> None:
    text = fill(page.TEMPLATE.read_text(encoding="utf-8"), page.values(results))

    assert "{{" not in text
    assert "**Left out: class-activation maps.**" in text
    assert "81.2 (76\N{EN DASH}86)" in text


def test_the_summary_names_what_the_slow_way_gives_and_the_worst_rejection(results: Results) -> None:
    text = tables.summary(results)

    assert "81.2 own boxes, each crop named by fovea-global" in text
    assert "absent prompts answered, at worst" in text
    assert text.count("\n") == 9


def test_a_figure_of_nothing_is_a_dash() -> None:
    assert tables.ranged(NOTHING) == "\N{EN DASH}"


def test_the_plots_are_the_same_bytes_for_the_same_results(results: Results, tmp_path: Path) -> None:
    for name in ("first.svg", "second.svg"):
        plots.finding(results, tmp_path / name)

    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()


def test_a_sheet_shows_a_good_and_a_bad_scene_of_each_set(seen: list[Evidence], tmp_path: Path) -> None:
    place = tmp_path / "sheet.webp"

    sheet.write({SEEN: seen, UNSEEN: seen}, TITLES, THRESHOLDS, lambda _, __: sample("red", "blue"), place)

    with Image.open(place) as drawn:
        pixels = np.asarray(drawn.convert("RGB")).astype(int)
    green = (pixels[:, :, 1] - pixels[:, :, 0] > 60) & (pixels[:, :, 1] - pixels[:, :, 2] > 60)
    assert green.any()
    assert pixels.shape[1] > pixels.shape[0] / 2


def test_scenes_are_chosen_by_what_is_right_in_them(seen: list[Evidence]) -> None:
    asked = [each.asked() for each in seen]
    verdicts = [judged(each, np.full(len(each.prompts), 0.5)) for each in asked]

    good, bad = sheet.chosen(asked, verdicts)

    assert verdicts[good].quality > verdicts[bad].quality


def test_a_part_of_the_page_is_written_and_the_rest_stays() -> None:
    text = "# Page\n<!-- finding -->\nold\n<!-- /finding -->\nend\n"

    written = with_part(text, FINDING, "new\n")

    assert part(written, FINDING) == "new\n"
    assert written == "# Page\n<!-- finding -->\nnew\n<!-- /finding -->\nend\n"


def test_a_page_without_the_part_is_refused() -> None:
    with pytest.raises(BadTemplate, match="finding"):
        with_part("# Page\n", FINDING, "new\n")


def test_writing_puts_text_and_pictures_beside_each_other(results: Results, tmp_path: Path) -> None:
    (tmp_path / PAGE).write_text("<!-- finding -->\n<!-- /finding -->\n", encoding="utf-8")

    page.write(results, tmp_path, lambda _, __: sample("red", "blue"))

    assert "### In one table" in (tmp_path / PAGE).read_text(encoding="utf-8")
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == [
        "quality-finding.svg",
        "quality-finding.webp",
    ]
